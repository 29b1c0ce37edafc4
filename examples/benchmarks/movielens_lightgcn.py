"""reccli's lightgcn against RecBole's LightGCN on one split: test NDCG@10, wall time, CPU time, memory; one after the
other.

usage: movielens_lightgcn.py --split FOLDER [--rival-python PYTHON] [--short 4] [--set A.B=V ...]

FOLDER holds train.csv, valid.csv and test.csv (user,item,rating,timestamp). Without --rival-python only reccli is run.
reccli runs twice: once to the end, for its best, and once for so few epochs (--short) that it has just passed the
rival's validation NDCG@10, which is the time to equal quality.
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


def ours(split: Path, workspace: Path, flags: list[str]) -> dict[str, object]:
    """Train, list, score."""
    parts = [str(split / "train.csv"), "--valid", str(split / "valid.csv"), "--test", str(split / "test.csv")]
    reccli(workspace, "prepare", *parts)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    facts = json.loads(reccli(workspace, "finetune", "--encoder", "lightgcn", *flags, "--json"))["data"]
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = reccli(workspace, "recommend", "--as-of", "test", "-k", "20", "--format", "csv")
    test: dict[str, set[str]] = {}
    for row in csv.DictReader((split / "test.csv").open()):
        test.setdefault(row["user"], set()).add(row["item"])
    mine = ndcg_by_user(read_lists(list(csv.DictReader(text.splitlines())), "user_id", "item_id"), test)
    return {
        "model": " ".join(["reccli lightgcn", *flags]),
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
    parser.add_argument("--short", type=int, default=4, help="epochs of the second run")
    given = parser.parse_args()
    sets = [part for text in given.sets for part in ("--set", text)]
    mine = []
    for flags in (sets, [*sets, "--epochs", str(given.short)]):
        with tempfile.TemporaryDirectory() as folder:
            mine.append(ours(given.split, Path(folder) / "workspace", flags))
        print(json.dumps(mine[-1]), flush=True)
    if given.rival_python is None:
        return
    command = [given.rival_python, str(HERE / "rivals" / "recbole_model.py"), str(given.split.resolve()), "LightGCN"]
    with tempfile.TemporaryDirectory() as folder:  # RecBole writes logs to where it stands
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(done.stderr)
    rival = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(rival))
    for run in mine:
        for key in ("seconds", "cpu seconds", "peak MB"):
            print(f"{run['model']}: {key}: RecBole / reccli = {rival[key] / run[key]:.1f}")  # type: ignore[operator]


if __name__ == "__main__":
    main()
