"""Biased matrix factorisation of two libraries, tuned on validation.

usage: rating_mf.py surprise|lenskit SPLIT OUT

Run with the Python of an environment that has `scikit-surprise` or `lenskit`, and `polars`. SPLIT holds train.csv,
valid.csv and test.csv with columns user, item and value. Settings are chosen by RMSE on valid after fitting on train;
OUT/train.csv and OUT/refit.csv get a prediction for each row of test, of a fit on train, and of a fit on train and
valid. Predictions are clipped to the range of the ratings. Prints one JSON line.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

LOW, HIGH = 0.5, 5.0
Predict = Callable[[pl.DataFrame], np.ndarray]


def surprise_settings() -> Iterator[dict[str, Any]]:
    """SVD by stochastic gradient descent."""
    for factors, reg, epochs in itertools.product((50, 200), (0.05, 0.1, 0.15), (40, 80, 140)):
        yield {"n_factors": factors, "reg_all": reg, "n_epochs": epochs, "lr_all": 0.005, "random_state": 0}


def surprise_fit(frame: pl.DataFrame, setting: dict[str, Any]) -> Predict:
    """Fit Surprise's SVD."""
    from surprise import SVD, Dataset, Reader

    data = Dataset.load_from_df(frame.select("user", "item", "value").to_pandas(), Reader(rating_scale=(LOW, HIGH)))
    model = SVD(**setting).fit(data.build_full_trainset())

    def predict(rows: pl.DataFrame) -> np.ndarray:
        return np.array([model.predict(user, item).est for user, item in rows.select("user", "item").iter_rows()])

    return predict


def lenskit_settings() -> Iterator[dict[str, Any]]:
    """Biased matrix factorisation by alternating least squares."""
    for size, reg, damping in itertools.product((16, 50, 100), (0.05, 0.1, 0.2, 0.4), (5.0,)):
        yield {"embedding_size": size, "regularization": reg, "damping": damping, "epochs": 15}


def lenskit_fit(frame: pl.DataFrame, setting: dict[str, Any]) -> Predict:
    """Fit LensKit's BiasedMF."""
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.training import TrainingOptions

    names = frame.select(user_id="user", item_id="item", rating="value").to_pandas()
    model = BiasedMFScorer(**setting)
    model.train(from_interactions_df(names), TrainingOptions(rng=0))

    def predict(rows: pl.DataFrame) -> np.ndarray:
        found = np.zeros(rows.height)
        for (user,), part in rows.with_row_index("row").group_by("user", maintain_order=True):
            wanted = ItemList(item_ids=part["item"].to_numpy())
            score = np.asarray(model(RecQuery(user_id=user), wanted).scores(), np.float64)
            biases = np.asarray(model.bias.compute_for_items(wanted, user)[0], np.float64)
            found[part["row"].to_numpy()] = np.where(np.isnan(score), biases, score)  # NaN: not trained on
        return found

    return predict


FAMILIES = {"surprise": (surprise_settings, surprise_fit), "lenskit": (lenskit_settings, lenskit_fit)}


def rmse(predicted: np.ndarray, frame: pl.DataFrame) -> float:
    """Root mean squared error of clipped predictions."""
    return float(np.sqrt(np.mean((predicted.clip(LOW, HIGH) - frame["value"].to_numpy()) ** 2)))


def main() -> None:
    """Tune, fit, predict."""
    family, split, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    settings, fit = FAMILIES[family]
    out.mkdir(parents=True, exist_ok=True)
    schema = {"user": pl.String, "item": pl.String, "value": pl.Float64}
    train, valid, test = (pl.read_csv(split / f"{name}.csv", schema=schema) for name in ("train", "valid", "test"))
    begun = time.process_time()
    scored = [(rmse(fit(train, setting)(valid), valid), setting) for setting in settings()]
    best, setting = min(scored, key=lambda one: one[0])
    tuned = time.process_time()
    for name, parts in (("train", [train]), ("refit", [train, valid])):
        predicted = fit(pl.concat(parts), setting)(test).clip(LOW, HIGH)
        test.select("user", "item", "value").with_columns(prediction=predicted).write_csv(out / f"{name}.csv")
    report = {
        "setting": setting,
        "valid rmse": best,
        "cpu seconds, tuning": tuned - begun,
        "cpu seconds, both fits": time.process_time() - tuned,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
