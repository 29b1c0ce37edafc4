"""implicit's ALS, tuned on validation. Run with the Python of an environment that has `implicit` and `polars`.

usage: implicit_als.py SPLIT OUT

SPLIT holds train.csv, valid.csv and test.csv with columns user and item. Factors, regularisation and alpha are chosen
by NDCG@10 on valid after fitting on train; OUT/train.csv and OUT/refit.csv get top-20 lists of a fit on train, and of
a fit on train and valid, both without the items of train and valid. Prints one JSON line.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares

GRID = list(itertools.product((128, 256, 384), (5.0, 10.0, 20.0), (1.0, 2.0, 4.0)))


def ndcg(top: np.ndarray, held: sp.csr_matrix, k: int = 10) -> float:
    """Mean NDCG@k over the users with a held-out item."""
    hit = np.take_along_axis(held.toarray() > 0, top[:, :k].astype(np.int64), 1)
    gain = 1 / np.log2(np.arange(2, k + 2))
    count = np.diff(held.indptr)
    some = count > 0
    return float(((hit @ gain)[some] / np.cumsum(gain)[np.minimum(count[some], k) - 1]).mean())


def main() -> None:
    """Tune, fit, list."""
    split, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    part = {
        p: pl.read_csv(split / f"{p}.csv", infer_schema=False).select("user", "item")
        for p in ("train", "valid", "test")
    }
    everything = pl.concat(list(part.values()))
    users, items = everything["user"].unique().sort(), everything["item"].unique().sort()

    def matrix(frame: pl.DataFrame) -> sp.csr_matrix:
        row = frame["user"].cast(pl.Enum(users)).to_physical().to_numpy()
        column = frame["item"].cast(pl.Enum(items)).to_physical().to_numpy()
        return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(users), len(items)))

    train, valid = matrix(part["train"]), matrix(part["valid"])
    known = (train + valid).tocsr()

    def lists(fit_on: sp.csr_matrix, mask: sp.csr_matrix, factors: int, reg: float, alpha: float) -> np.ndarray:
        model = AlternatingLeastSquares(factors=factors, regularization=reg, alpha=alpha, iterations=15, random_state=0)
        model.fit(fit_on, show_progress=False)
        top, _ = model.recommend(np.arange(len(users)), mask, N=20, filter_already_liked_items=True)
        return top

    begun = time.process_time()
    scored = [(ndcg(lists(train, train, *setting), valid), setting) for setting in GRID]
    best, setting = max(scored)
    tuned = time.process_time()
    for name, fit_on in (("train", train), ("refit", known)):
        top = lists(fit_on, known, *setting)
        frame = {
            "user": users.gather(np.repeat(np.arange(len(users)), 20)),
            "item": items.gather(top.ravel().astype(np.int64)),
            "rank": np.tile(np.arange(1, 21), len(users)),
        }
        pl.DataFrame(frame).write_csv(out / f"{name}.csv")
    report = {
        "factors, regularisation, alpha": setting,
        "valid ndcg@10": best,
        "cpu seconds, tuning": tuned - begun,
        "cpu seconds, both fits": time.process_time() - tuned,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
