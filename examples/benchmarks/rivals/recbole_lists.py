"""Train one RecBole model on a fixed split and write its lists. Run with the Python of an environment that has
`recbole==1.2.1 torch 'numpy<2' 'pandas<2.3' 'scipy<1.14' 'setuptools<80'`.

usage: recbole_lists.py SPLIT OUT MODEL [--seconds 600] [--epochs 300] [--steps N] [--try KEY=VALUE,VALUE ...]

SPLIT holds train.csv, valid.csv and test.csv with columns user and item. Defaults of the library, but full ranking, 10
validations without a gain before stopping, a batch of 2,048, and an end of training after so many CPU seconds with the
best epoch so far. With --try the value that is best on valid is taken; with --steps an epoch has only so many batches
(to see how much memory it takes). OUT/train.csv gets the top-20 lists of all users without the items of train and
valid; of EASE, which reads a history, OUT/folded.csv those for histories of train and valid. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import logging
import os
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

# The library restores its own best checkpoint with the full unpickler, which newer torch no longer does by itself.
torch.load = partial(torch.load, weights_only=False)
# Its LightGCN fills a matrix by a method that newer scipy has no more.
sp.dok_matrix._update = lambda matrix, entries: matrix._dict.update(entries)

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

K = 20
PARTS = ("train", "valid", "test")
LINEAR = ("EASE",)  # solved when it is built: one pass of the trainer, no checkpoint


class Some:
    """The first batches of a loader."""

    def __init__(self, loader: Any, steps: int) -> None:
        self.loader, self.steps = loader, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return min(self.steps, len(self.loader))

    def __iter__(self) -> Any:
        return itertools.islice(iter(self.loader), self.steps)


class OutOfTime(Exception):
    """The seconds are used up; the best checkpoint so far is on disk."""


def convert(split: Path, folder: Path) -> None:
    """Write the parts as atomic files."""
    (folder / "data").mkdir()
    for part in PARTS:
        rows = csv.DictReader((split / f"{part}.csv").open())
        lines = ["user_id:token\titem_id:token", *(f"{row['user']}\t{row['item']}" for row in rows)]
        (folder / "data" / f"data.{part}.inter").write_text("\n".join(lines) + "\n")


def settings(folder: Path, epochs: int, extra: dict[str, Any]) -> dict[str, Any]:
    """What differs from the library's defaults."""
    return {
        "data_path": str(folder),
        "benchmark_filename": list(PARTS),
        "load_col": {"inter": ["user_id", "item_id"]},
        "metrics": ["NDCG"],
        "topk": [10],
        "valid_metric": "NDCG@10",
        "metric_decimal_place": 6,
        "stopping_step": 10,
        "epochs": epochs,
        "train_batch_size": 2048,
        "eval_batch_size": 409600,
        "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO", "group_by": "user", "mode": "full"},
        "use_gpu": False,
        "show_progress": False,
        "seed": 2020,
        "checkpoint_dir": str(folder),
        **extra,
    }


def train(folder: Path, given: argparse.Namespace, seconds: float, extra: dict[str, Any]) -> dict[str, Any]:
    """Train with one setting; return the model, its validation metric and what it took."""
    name, epochs = given.model, given.epochs
    config = Config(model=name, dataset="data", config_dict=settings(folder, epochs, extra))
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train_data, valid_data, _ = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    wall, cpu = time.perf_counter(), time.process_time()
    model = get_model(name)(config, train_data._dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
    done = {"epochs": 0, "stopped": "epochs"}

    def after(epoch: int, _: float) -> None:
        done["epochs"] = epoch + 1
        if time.process_time() - cpu > seconds:
            raise OutOfTime

    if name in LINEAR:
        fitted = time.perf_counter() - wall, time.process_time() - cpu
        valid = trainer.evaluate(valid_data, load_best_model=False)["ndcg@10"]
    else:
        try:
            batches = Some(train_data, given.steps) if given.steps else train_data
            trainer.fit(batches, valid_data, show_progress=False, callback_fn=after)
            done["stopped"] = "patience" if done["epochs"] < epochs else "epochs"
        except OutOfTime:
            done["stopped"] = "time"
        fitted = time.perf_counter() - wall, time.process_time() - cpu
        stored = torch.load(trainer.saved_model_file, map_location=config["device"])
        model.load_state_dict(stored["state_dict"])
        model.load_other_parameter(stored.get("other_parameter"))
        os.remove(trainer.saved_model_file)
        valid = trainer.best_valid_score
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    spent = {"seconds": fitted[0], "cpu seconds": fitted[1], "peak MB": peak}
    return {"model": model.eval(), "dataset": dataset, "valid": float(valid), **done, **spent}


def interactions(split: Path, parts: tuple[str, ...], dataset: Any) -> sp.csr_matrix:
    """Interactions in the library's codes."""
    rows = [row for part in parts for row in csv.DictReader((split / f"{part}.csv").open())]
    codes = (
        dataset.token2id(dataset.uid_field, [row["user"] for row in rows]),
        dataset.token2id(dataset.iid_field, [row["item"] for row in rows]),
    )
    shape = (dataset.user_num, dataset.item_num)
    return sp.csr_matrix((np.ones(len(rows), np.float32), codes), shape=shape)


@torch.no_grad()
def write_lists(model: Any, dataset: Any, known: sp.csr_matrix, path: Path, block: int = 256) -> None:
    """Write the top-K items of each user without the known ones."""
    users = dataset.id2token(dataset.uid_field, np.arange(dataset.user_num))
    items = dataset.id2token(dataset.iid_field, np.arange(dataset.item_num))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("user", "item", "rank"))
        for begin in range(1, dataset.user_num, block):  # code 0 is padding
            user_B = np.arange(begin, min(begin + block, dataset.user_num))
            asked = Interaction({dataset.uid_field: torch.from_numpy(user_B)})
            score_BI = torch.as_tensor(model.full_sort_predict(asked)).view(len(user_B), -1).clone()
            score_BI[:, 0] = -torch.inf
            score_BI[known[user_B].nonzero()] = -torch.inf
            top_BK = score_BI.topk(K).indices.numpy()
            for user, row in zip(user_B, top_BK, strict=True):
                writer.writerows((users[user], items[item], rank) for rank, item in enumerate(row, 1))


def main() -> None:
    """Convert, train with each setting, list with the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--try", dest="tried", help="KEY=VALUE,VALUE")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.INFO)
    key, _, values = (given.tried or "").partition("=")
    extras = [{key: json.loads(value)} for value in values.split(",")] if key else [{}]
    begun, best, tried = time.process_time(), {"valid": -1.0}, {}
    with tempfile.TemporaryDirectory() as name:
        convert(given.split, Path(name))
        for extra in extras:
            left = given.seconds - (time.process_time() - begun)
            if tried and left < 0:
                break
            found = train(Path(name), given, left, extra)
            tried[json.dumps(extra)] = found["valid"]
            if found["valid"] > best["valid"]:
                best = found | {"setting": extra}
            del found
    model, dataset = best.pop("model"), best.pop("dataset")
    known = interactions(given.split, ("train", "valid"), dataset)
    write_lists(model, dataset, known, given.out / "train.csv")
    if given.model in LINEAR:
        model.interaction_matrix = known
        write_lists(model, dataset, known, given.out / "folded.csv")
    print(json.dumps({**best, "tried": tried, "cpu seconds with tuning": time.process_time() - begun}))


if __name__ == "__main__":
    main()
