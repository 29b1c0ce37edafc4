"""Train and test one RecBole model on a fixed split. Run with the Python of an environment that has `recbole==1.2.1`.

usage: recbole_model.py SPLIT MODEL

SPLIT holds train.csv, valid.csv and test.csv with columns user and item. Defaults of the library, but full ranking,
10 validations without a gain before stopping, and a batch of 2,048. Prints one JSON line: test metrics, seconds, CPU
seconds, peak memory.
"""

from __future__ import annotations

import csv
import json
import logging
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import scipy.sparse as sp
import torch

# The library restores its own best checkpoint with the full unpickler, which newer torch no longer does by itself.
torch.load = partial(torch.load, weights_only=False)
# Its LightGCN fills a matrix by a method that newer scipy has no more.
sp.dok_matrix._update = lambda matrix, entries: matrix._dict.update(entries)

from recbole.quick_start import run_recbole  # noqa: E402


def main() -> None:
    """Convert, train, test."""
    split, model = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "data"
        target.mkdir()
        for part in ("train", "valid", "test"):
            rows = csv.DictReader((split / f"{part}.csv").open())
            lines = ["user_id:token\titem_id:token", *(f"{row['user']}\t{row['item']}" for row in rows)]
            (target / f"data.{part}.inter").write_text("\n".join(lines) + "\n")
        logging.disable(logging.INFO)
        wall, cpu = time.perf_counter(), time.process_time()
        settings = {
            "data_path": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "metrics": ["NDCG", "Recall"],
            "topk": [10, 20],
            "valid_metric": "NDCG@10",
            "stopping_step": 10,
            "epochs": 300,
            "train_batch_size": 2048,
            "eval_batch_size": 409600,
            "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO", "group_by": "user", "mode": "full"},
            "use_gpu": False,
            "show_progress": False,
            "seed": 2020,
            "checkpoint_dir": folder,
        }
        found = run_recbole(model=model, dataset="data", config_dict=settings)
    report = {
        "model": model,
        "valid": found["best_valid_score"],
        "test": {name: float(value) for name, value in found["test_result"].items()},
        "seconds": time.perf_counter() - wall,
        "cpu seconds": time.process_time() - cpu,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
