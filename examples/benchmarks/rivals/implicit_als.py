"""implicit's ALS, tuned on validation. Run with the Python of an environment that has `implicit` and `polars`.

usage: implicit_als.py SPLIT OUT [--factors 128 256 384] [--regularisation 5 10 20] [--alpha 1 2 4] [--seconds S]

SPLIT holds train.csv, valid.csv and test.csv with columns user and item. Factors, regularisation and alpha are chosen
by NDCG@10 on valid after fitting on train, in the order of the grid until so many CPU seconds are used up;
OUT/train.csv, OUT/folded.csv and OUT/refit.csv get top-20 lists of a fit on train, of the same with users computed anew
from train and valid, and of a fit on train and valid, all without the items of train and valid. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares


def ndcg(top: np.ndarray, held: sp.csr_matrix, k: int = 10) -> float:
    """Mean NDCG@k over the users with a held-out item."""
    hit = np.take_along_axis(held.toarray() > 0, top[:, :k].astype(np.int64), 1)
    gain = 1 / np.log2(np.arange(2, k + 2))
    count = np.diff(held.indptr)
    some = count > 0
    return float(((hit @ gain)[some] / np.cumsum(gain)[np.minimum(count[some], k) - 1]).mean())


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--factors", type=int, nargs="+", default=[128, 256, 384])
    parser.add_argument("--regularisation", type=float, nargs="+", default=[5.0, 10.0, 20.0])
    parser.add_argument("--alpha", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    return parser.parse_args()


def main() -> None:
    """Tune, fit, list."""
    given = arguments()
    split, out = given.split, given.out
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

    def fit(fit_on: sp.csr_matrix, factors: int, reg: float, alpha: float) -> AlternatingLeastSquares:
        model = AlternatingLeastSquares(factors=factors, regularization=reg, alpha=alpha, iterations=15, random_state=0)
        model.fit(fit_on, show_progress=False)
        return model

    def lists(model: AlternatingLeastSquares, mask: sp.csr_matrix, fold: bool = False) -> np.ndarray:
        row = np.arange(len(users))
        top, _ = model.recommend(row, mask, N=20, filter_already_liked_items=True, recalculate_user=fold)
        return top

    begun, scored = time.process_time(), []
    for setting in itertools.product(given.factors, given.regularisation, given.alpha):
        scored.append((ndcg(lists(fit(train, *setting), train), valid), setting))
        if time.process_time() - begun > given.seconds:
            break
    best, setting = max(scored)
    tuned = time.process_time()
    on_train = fit(train, *setting)
    fitted = time.process_time()
    made = {"train": lists(on_train, known), "folded": lists(on_train, known, True)}
    made["refit"] = lists(fit(known, *setting), known)
    for name, top in made.items():
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
        "tried": [[*setting, value] for value, setting in scored],
        "cpu seconds, fit": fitted - tuned,
        "cpu seconds, both fits": time.process_time() - tuned,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
