"""implicit's ALS and BPR at several sizes, with the CPU seconds of each fit. Run with the Python of an environment that
has `implicit` and `polars`.

usage: implicit_ladder.py SPLIT OUT --ladder als:64:5 als:128:15 bpr:64:100 ... [--most 60]

A rung is model:factors:iterations; ALS has regularisation 10 and alpha 2. SPLIT holds train.csv, valid.csv and test.csv
with columns user and item. Fits on train; OUT/<rung>-valid.csv gets top-20 lists without the items of train, and
OUT/<rung>-test.csv without those of train and valid. Rungs of a model after one that took longer than --most CPU
seconds are left out. Prints a JSON line for each rung; reading the data and listing are not in its seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking

K = 20


def build(kind: str, factors: int, iterations: int) -> Any:
    """Return an unfitted model."""
    shared = {"factors": factors, "iterations": iterations, "random_state": 0, "num_threads": 1}
    if kind == "als":
        return AlternatingLeastSquares(regularization=10.0, alpha=2.0, **shared)
    return BayesianPersonalizedRanking(**shared)


def main() -> None:
    """Fit and list each rung."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ladder", nargs="+", required=True)
    parser.add_argument("--most", type=float, default=60.0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    part = {
        name: pl.read_csv(given.split / f"{name}.csv", infer_schema=False).select("user", "item")
        for name in ("train", "valid", "test")
    }
    everything = pl.concat(list(part.values()))
    users, items = everything["user"].unique().sort(), everything["item"].unique().sort()

    def matrix(frame: pl.DataFrame) -> sp.csr_matrix:
        row = frame["user"].cast(pl.Enum(users)).to_physical().to_numpy()
        column = frame["item"].cast(pl.Enum(items)).to_physical().to_numpy()
        return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(users), len(items)))

    train, valid = matrix(part["train"]), matrix(part["valid"])
    known, slow = (train + valid).tocsr(), set[str]()
    for rung in given.ladder:
        kind, factors, iterations = rung.split(":")
        if kind in slow:
            continue
        model = build(kind, int(factors), int(iterations))
        begun = time.process_time()
        model.fit(train, show_progress=False)
        seconds = time.process_time() - begun
        if seconds > given.most:
            slow.add(kind)
        for name, mask in (("valid", train), ("test", known)):
            top, _ = model.recommend(np.arange(len(users)), mask, N=K, filter_already_liked_items=True)
            frame = {
                "user": users.gather(np.repeat(np.arange(len(users)), K)),
                "item": items.gather(top.ravel().astype(np.int64)),
                "rank": np.tile(np.arange(1, K + 1), len(users)),
            }
            pl.DataFrame(frame).write_csv(given.out / f"{rung.replace(':', '-')}-{name}.csv")
        print(json.dumps({"rung": rung, "cpu seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
