"""reccli's lightgcn against RecBole's LightGCN on one split: test NDCG@10, wall time, CPU time, memory; one after the
other.

usage: movielens_lightgcn.py --split FOLDER [--rival-python PYTHON] [--set A.B=V ...]

FOLDER holds train.csv, valid.csv and test.csv (user,item,rating,timestamp). Without --rival-python only reccli is run.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from movielens_als import HERE, ndcg_by_user, read_lists, reccli


def ours(split: Path, workspace: Path, sets: list[str]) -> dict[str, object]:
    """Train, list, score."""
    parts = [str(split / "train.csv"), "--valid", str(split / "valid.csv"), "--test", str(split / "test.csv")]
    reccli(workspace, "prepare", *parts)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    flags = [part for text in sets for part in ("--set", text)]
    facts = json.loads(reccli(workspace, "finetune", "--encoder", "lightgcn", *flags, "--json"))["data"]
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = reccli(workspace, "recommend", "--as-of", "test", "-k", "20", "--format", "csv")
    test: dict[str, set[str]] = {}
    for row in csv.DictReader((split / "test.csv").open()):
        test.setdefault(row["user"], set()).add(row["item"])
    mine = ndcg_by_user(read_lists(list(csv.DictReader(text.splitlines())), "user_id", "item_id"), test)
    return {
        "model": "reccli lightgcn",
        "valid": facts["best_value"],
        "valid of the warm start": facts["first_value"],
        "best epoch": facts["best_epoch"],
        "test": {"ndcg@10": round(float(mine.mean()), 4)},
        "seconds": seconds,
        "cpu seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak MB": after.ru_maxrss // 1024,
    }


def main() -> None:
    """Run both; print a line each and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--rival-python")
    parser.add_argument("--set", dest="sets", action="append", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(given.split, Path(folder) / "workspace", given.sets)
    print(json.dumps(mine), flush=True)
    if given.rival_python is None:
        return
    command = [given.rival_python, str(HERE / "rivals" / "recbole_model.py"), str(given.split), "LightGCN"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    rival = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(rival))
    for key in ("seconds", "cpu seconds", "peak MB"):
        print(f"{key}: RecBole / reccli = {rival[key] / mine[key]:.1f}")  # type: ignore[operator]


if __name__ == "__main__":
    main()
