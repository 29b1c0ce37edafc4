"""Next items on Amazon Toys: last item tested, last but one validated, the full catalogue ranked, all users kept.

usage: amazon_toys.py --data FOLDER [--runs hybrid recency sasrec ...] [--max-time 270] [--workspace FOLDER]

FOLDER holds interactions.parquet (user_id, item_id, position) and items.parquet (item_id, genid_text, attribute_ids).
Each run is trained on the train part alone, its epoch chosen by validation NDCG@10; the run that is best there is the
one to look at, and every run is tested once, with train and validation as history. Beside them: published numbers on
the same split (best first, from the papers and from the repositories that report them).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PUBLISHED = {
    "SASRec + sampled softmax": (0.0970, 0.0580),
    "eSASRec": (0.0939, 0.0538),
    "HSTU": (0.0778, 0.0450),
    "FuXi-alpha": (0.0765, 0.0437),
    "TIGER": (0.0712, 0.0432),
    "LSAN": (0.0711, 0.0370),
    "S3Rec": (0.0700, 0.0376),
    "SASRec (BCE)": (0.0675, 0.0374),
}
TEXT = "{genid_text} {attribute_ids}"
OPTIONS = {"": (), "no-words": ("--set", "encoder.words=no"), "no-text": ("--set", "encoder.text=no")}


def reccli(workspace: Path, *arguments: str) -> dict[str, Any]:
    """Run a command; return what it says as data."""
    command = [sys.executable, "-m", "reccli", *arguments, "-w", str(workspace), "-q", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return dict(json.loads(done.stdout)["data"])


def measured(workspace: Path, name: str) -> tuple[float, float]:
    """Recall@10 and NDCG@10 of a run on the test part."""
    body = reccli(workspace, "evaluate", "--run", name, "--metric", "recall", "--metric", "ndcg", "--k", "10")
    value = {row["metric"]: row["value"] for row in body["metrics"] if row["slice"] == "all"}
    return value["recall"], value["ndcg"]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--runs",
        nargs="+",
        default=["hybrid", "recency", "sasrec"],
        help="encoders, as hybrid, hybrid:no-text or recency:no-words",
    )
    parser.add_argument("--max-time", type=float, default=270, help="seconds of training of each run")
    parser.add_argument("--workspace", type=Path)
    given = parser.parse_args()
    workspace = given.workspace or Path(tempfile.mkdtemp())
    interactions, items = given.data / "interactions.parquet", given.data / "items.parquet"
    parts = ("--items", str(items), "--item-text", TEXT, "--split", "leave-one-out")
    reccli(workspace, "prepare", str(interactions), *parts)
    print(f"{'':28}{'valid ndcg@10':>14}{'recall@10':>11}{'ndcg@10':>9}{'seconds':>9}")
    for run in given.runs:
        encoder, _, option = run.partition(":")
        flags = OPTIONS[option]
        begun, name = time.perf_counter(), run.replace(":", "-")
        body = reccli(
            workspace, "finetune", "--encoder", encoder, "--name", name, "--max-time", str(given.max_time), *flags
        )
        seconds = time.perf_counter() - begun
        recall, ndcg = measured(workspace, name)
        print(f"{run:28}{body['best_value']:>14.4f}{recall:>11.4f}{ndcg:>9.4f}{seconds:>9.0f}", flush=True)
    for name, (recall, ndcg) in PUBLISHED.items():
        print(f"{name:28}{'published':>14}{recall:>11.4f}{ndcg:>9.4f}")


if __name__ == "__main__":
    main()
