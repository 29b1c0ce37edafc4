"""Remedies against over-fitting side by side: NDCG@10 on train rows and on validation, and the gap between them.

usage: overfitting.py FILE [FILE ...] [--encoder history] [--epochs 30] [--prepare a=b ...] [--text] [--set a=b]
       [--rows NAME ...] [--out FOLDER]

FILEs go to `reccli prepare --split random`. Every row is the same training with one thing changed; none stops early, so
that the log shows both where it is best (where early stopping would leave it) and where it ends. Train rows are laid
out as the validation part is (`--set train_metric=true`). `--text` compares instead what of a text model is trained
(encoder `bert`), each for the same epochs; `--rows` names the rows to run, else all.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl
from movielens_als import reccli

from reccli.workspace import Workspace

REMEDIES: dict[str, list[str]] = {
    "none": [],
    "L2 1e-4": ["--set", "l2=1e-4"],
    "L2 1e-2": ["--set", "l2=1e-2"],
    "weight decay .1": ["--set", "weight_decay=0.1"],
    "dropout .2": ["--set", "dropout=0.2"],
    "dropout .5": ["--set", "dropout=0.5"],
    "adversarial .1": ["--adversarial", "0.1"],
    "EMA .99": ["--set", "average=0.99"],
    "SWA from 5": ["--swa", "5"],
}
TEXT: dict[str, list[str]] = {
    "head": ["--set", "encoder.train=head"],
    "LoRA": ["--set", "encoder.train=lora"],
    "last 2 layers": ["--set", "encoder.train=last-2"],
    "all": ["--set", "encoder.train=all"],
    "LoRA, dropout .2": ["--set", "encoder.train=lora", "--set", "dropout=0.2"],
    "last 2, FGM .1": ["--set", "encoder.train=last-2", "--adversarial", "0.1"],
}
BEFORE: dict[str, list[str]] = {
    "LoRA after SimCSE": [],
    "LoRA, SimCSE, words deleted and cropped": ["--set", "objective.delete=0.2", "--set", "objective.crop=0.2"],
}
"""Rows of `--text` that pre-train on the texts first, without and with their augmentation."""


def course(workspace: Path, name: str) -> tuple[int, dict[tuple[int, str], float]]:
    """Return the epoch that was best on validation, and the log by epoch and metric."""
    version = Workspace(workspace).current("finetune", name)
    log: pl.DataFrame = version.read("training_log")
    rows = zip(log["epoch"], log["metric"], log["value"], strict=True)
    return int(version.manifest.facts["best_epoch"]), {(epoch, metric): value for epoch, metric, value in rows}


def line(label: str, workspace: Path, name: str) -> str:
    """Return a row of the table."""
    best, log = course(workspace, name)
    cells = [f"{label:<18}", f"{best:>4}"]
    for epoch in (best, max(epoch for epoch, _ in log)):
        train, valid = log[epoch, "train.ndcg@10"], log[epoch, "ndcg@10"]
        cells += [f"{train:.4f}", f"{valid:.4f}", f"{train - valid:+.4f}"]
    return " | ".join(cells)


def main() -> None:
    """Train each row and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--encoder", default="history")
    parser.add_argument("--epochs", default="30")
    parser.add_argument("--prepare", nargs="*", default=[], help="further flags of prepare, without their dashes: a=b")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="settings of every row")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("overfitting"))
    given = parser.parse_args()
    flags = [part for text in given.prepare for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]
    reccli(given.out, "prepare", *given.files, "--split", "random", "--seed", "1", *flags)
    common = ["--encoder", "bert" if given.text else given.encoder, "--epochs", given.epochs, "--patience", "0"]
    common += ["--set", "train_metric=true"]
    common += [part for text in given.sets for part in ("--set", text)]
    print(f"{'remedy':<18} | best epoch: train, valid, gap | last epoch: train, valid, gap", flush=True)
    table = TEXT | dict.fromkeys(BEFORE, TEXT["LoRA"]) if given.text else REMEDIES
    if unknown := sorted(set(given.rows) - set(table)):
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(map(repr, table))}")
    for number, (label, more) in enumerate(table.items()):
        if given.rows and label not in given.rows:
            continue
        start = "none"
        if label in BEFORE:
            start = f"before-{number}"
            reccli(given.out, "pretrain", "--objective", "simcse", "--epochs", "3", *BEFORE[label], "--name", start)
        reccli(given.out, "finetune", *common, *more, "--pretrained", start, "--name", f"row-{number}")
        print(line(label, given.out, f"row-{number}"), flush=True)
    if given.text:
        return
    runs = []
    for seed in ("1", "2", "3"):
        reccli(given.out, "finetune", *common, "--pretrained", "none", "--seed", seed, "--name", f"seed-{seed}")
        runs += ["--run", f"seed-{seed}"]
    options = ["--set", "split=valid", "--metric", "ndcg", "-k", "10", "--json"]
    singles = [runs[place : place + 2] for place in range(0, len(runs), 2)]
    for label, chosen in (("one run", singles), ("ensemble of 3", [[*runs, "--ensemble"]])):
        found = [json.loads(reccli(given.out, "evaluate", *flags, *options))["data"]["metrics"] for flags in chosen]
        value = sum(rows[0]["value"] for rows in found) / len(found)
        print(f"{label}, at the best epochs, valid: {value:.4f}", flush=True)


if __name__ == "__main__":
    main()
