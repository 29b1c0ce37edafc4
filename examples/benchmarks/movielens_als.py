"""reccli against implicit's ALS on random splits of MovieLens: test NDCG@10 with a paired bootstrap interval over all
splits.

usage: movielens_als.py --splits FOLDER --rival-python PYTHON [--items FILE] [--seeds 1 2 3 4 5]
       [--encoders ease history spectral]

FOLDER/<seed>/ holds train.csv, valid.csv and test.csv (user,item,rating,timestamp). On each split the encoder is
chosen by NDCG@10 on valid among the built-in ones given, and ALS's settings by the same number on the same part. Two
comparisons: both fitted on train alone with users by all that they did in train and valid, and both refitted on train
and valid with what was chosen. Lists leave out the items of train and valid. With --items our encoders may read texts,
which ALS cannot. ALS is not run again for a split whose lists are in --out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def reccli(workspace: Path, *arguments: str) -> str:
    """Run a command; return its stdout."""
    command = [sys.executable, "-m", "reccli", *arguments, "-w", str(workspace), "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def ndcg_by_user(lists: dict[str, list[str]], test: dict[str, set[str]], k: int = 10) -> np.ndarray:
    """NDCG@k of every user with a test item, in the order of their ids."""
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gain)
    values = []
    for user in sorted(test):
        hit = np.array([item in test[user] for item in lists.get(user, [])[:k]], bool)
        values.append((gain[: len(hit)] @ hit) / ideal[min(len(test[user]), k) - 1])
    return np.array(values)


def read_lists(rows: list[dict[str, str]], user: str, item: str) -> dict[str, list[str]]:
    """Items of each user, best first."""
    found: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: int(row["rank"])):
        found.setdefault(row[user], []).append(row[item])
    return found


def ours(split: Path, workspace: Path, encoders: list[str], items: Path | None) -> dict[str, object]:
    """Choose on validation, then list with and without a refit."""
    begun = time.perf_counter()
    parts = [str(split / "train.csv"), "--valid", str(split / "valid.csv"), "--test", str(split / "test.csv")]
    reccli(workspace, "prepare", *parts, *(["--items", str(items)] if items else []))
    valid = {}
    for encoder in encoders:
        name, *loss = encoder.split(":")
        flags = ["--encoder", name, *(["--loss", loss[0]] if loss else []), "--name", encoder.replace(":", "-")]
        body = json.loads(reccli(workspace, "finetune", *flags, "--json"))
        valid[encoder] = float(body["data"]["best_value"])
    chosen = max(valid, key=lambda encoder: valid[encoder])
    name, *loss = chosen.split(":")
    flags = ["--encoder", name, *(["--loss", loss[0]] if loss else []), "--name", chosen.replace(":", "-")]
    reccli(workspace, "finetune", *flags, "--refit", "--as-of", "test")
    lists = {}
    for kind, run in (("train", flags[-1]), ("refit", f"{flags[-1]}-refit-test")):
        text = reccli(workspace, "recommend", "--run", run, "--as-of", "test", "-k", "20", "--format", "csv")
        (workspace / f"{kind}.csv").write_text(text)
        lists[kind] = read_lists(list(csv.DictReader(text.splitlines())), "user_id", "item_id")
    return {"valid": valid, "chosen": chosen, "lists": lists, "seconds": time.perf_counter() - begun}


def rival_report(python: str, split: Path, out: Path) -> dict[str, float]:
    """Tune and list with ALS, or take what an earlier run of the same split left in `out`."""
    stored = out / "report.json"
    if not stored.is_file():
        begun = time.perf_counter()
        command = [python, str(HERE / "rivals" / "implicit_als.py"), str(split), str(out)]
        advised = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # implicit has threads of its own, and says so
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=advised)
        report = json.loads(done.stdout.splitlines()[-1]) | {"seconds": time.perf_counter() - begun}
        stored.write_text(json.dumps(report))
    found: dict[str, float] = json.loads(stored.read_text())
    return found


def interval(difference: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, 95 %."""
    draw = np.random.default_rng(0)
    means = [difference[draw.integers(len(difference), size=len(difference))].mean() for _ in range(5000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Run all splits; print one line each, then the pooled comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--rival-python", required=True)
    parser.add_argument("--items", type=Path)
    parser.add_argument("--seeds", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--encoders", nargs="+", default=["ease", "history", "spectral"])
    parser.add_argument("--out", type=Path, default=Path("movielens-als"))
    given = parser.parse_args()
    pooled: dict[str, list[np.ndarray]] = {"train": [], "refit": []}
    for seed in given.seeds:
        split, out = given.splits / seed, given.out / seed
        found = ours(split, out / "reccli", given.encoders, given.items)
        rival = rival_report(given.rival_python, split, out / "als")
        test: dict[str, set[str]] = {}
        for row in csv.DictReader((split / "test.csv").open()):
            test.setdefault(row["user"], set()).add(row["item"])
        valid = ", ".join(f"{encoder} {value:.4f}" for encoder, value in found["valid"].items())  # type: ignore
        line = f"seed {seed}: chosen {found['chosen']} ({valid})"
        line += f", ALS valid {rival['valid ndcg@10']:.4f} {rival['factors, regularisation, alpha']}"
        for kind, file in (("train", "folded"), ("refit", "refit")):  # recommend, too, folds valid into histories
            mine = ndcg_by_user(found["lists"][kind], test)  # type: ignore[index]
            other = read_lists(list(csv.DictReader((out / "als" / f"{file}.csv").open())), "user", "item")
            theirs = ndcg_by_user(other, test)
            pooled[kind].append(mine - theirs)
            line += f"; {kind}: reccli {mine.mean():.4f} ALS {theirs.mean():.4f}"
        print(f"{line}; seconds {found['seconds']:.0f} against {rival['seconds']:.0f}", flush=True)
    for kind, differences in pooled.items():
        difference = np.concatenate(differences)
        low, high = interval(difference)
        ends = f"[{low:+.4f} {high:+.4f}]"
        print(f"{kind}: reccli - ALS, test NDCG@10: {difference.mean():+.4f} {ends}, {len(difference)} users")


if __name__ == "__main__":
    main()
