"""The best quality within 1, 10 and 60 seconds of training, against implicit's ALS and BPR and RecBole's EASE.

usage: seconds.py FILE --implicit IMPLICIT/bin/python [--recbole RECBOLE/bin/python] [--prepare A=B ...] [--seconds 1 10
       60] [--ours ease:encoder.rank=256 history:epochs=5 ...] [--theirs als:128:15 bpr:64:100 ...] [--out FOLDER]

FILE and flags go to `reccli prepare`. Each tool fits a ladder of sizes on train, on one thread; among what fits within
the seconds the best NDCG@10 on valid is taken, and its NDCG@10 on test reported, from lists without the items of train
and valid, histories of train alone for all. Seconds are CPU seconds, which a busy machine does not stretch. They are
those of fitting: starting Python, reading the data and writing a run are in nobody's, and validation only in those of a
training that is stopped by it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
from measured import measured
from memory import write_parts
from movielens_als import HERE, ndcg_by_user, read_lists, reccli

from reccli.artifacts import Prepared
from reccli.retrieval.topk import top_k
from reccli.settings.finetune import FinetuneSettings
from reccli.stages import finetune_model, finetune_run
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.training import finetuning
from reccli.workspace import Workspace

GIVEN = "encoder.l2=0.016,encoder.user_power=0.25,encoder.words=0"  # what `auto` would choose takes seconds
OURS = tuple(f"ease:encoder.rank={rank},{GIVEN}" for rank in (64, 256, 1024))
OURS += ("spectral:encoder.rank=64", "spectral:encoder.rank=256", "spectral")
OURS += ("ease:encoder.rank=256,encoder.words=0", "ease:encoder.words=0", "ease")
OURS += ("history:epochs=1", "history:epochs=5", "history")
OURS += ("lightgcn:epochs=1", "lightgcn:epochs=4", "lightgcn:epochs=16")
THEIRS = ("als:32:2", "als:64:5", "als:128:15", "als:256:15", "als:384:15")
THEIRS += ("bpr:32:20", "bpr:64:100", "bpr:64:400", "bpr:128:1000")
Found = tuple[str, float, float, float]


class Truth:
    """Held-out items of each user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: dict[str, dict[str, set[str]]] = {"valid": {}, "test": {}}
        for part, held in self.held.items():
            for row in csv.DictReader((folder / f"{part}.csv").open()):
                held.setdefault(row["user"], set()).add(row["item"])

    def quality(self, path: Path, part: str) -> float:
        """Mean NDCG@10 of the lists in a file."""
        return float(
            ndcg_by_user(read_lists(list(csv.DictReader(path.open())), "user", "item"), self.held[part]).mean()
        )


def settings_of(rung: str) -> FinetuneSettings:
    """Read `encoder:a.b=v,c=v`."""
    encoder, _, rest = rung.partition(":")
    given: dict[str, object] = {"encoder": encoder, "name": rung.replace(":", "-").replace("=", "-").replace(",", "-")}
    for pair in filter(None, rest.split(",")):
        path, value = pair.split("=")
        number = json.loads(value)
        if path.startswith("encoder."):
            given.setdefault("encoder_settings", {})[path[8:]] = number  # type: ignore[index]
        else:
            given[path] = number
    return FinetuneSettings(**given, device="cpu", threads=1)


class Stopwatch:
    """CPU seconds of fitting: from building the model to writing the run, without measuring a closed form."""

    def __init__(self) -> None:
        self.begun = self.ended = self.measuring = 0.0
        build, write, measured = finetune_model.build_model, finetune_run._write, finetuning.measured

        def building(*given: Any) -> Any:
            self.begun, self.measuring = time.process_time(), 0.0
            return build(*given)

        def writing(*given: Any) -> Any:
            self.ended = time.process_time()
            return write(*given)

        def measuring(*given: Any) -> Any:
            begun = time.process_time()
            found = measured(*given)
            self.measuring = time.process_time() - begun
            return found

        finetune_model.build_model, finetune_run._write, finetuning.measured = building, writing, measuring

    def seconds(self) -> float:
        """Those of the last run."""
        return self.ended - self.begun - self.measuring


def ours(workspace: Workspace, rungs: list[str]) -> Iterator[Found]:
    """Fit each rung; its validation and test metric."""
    watch = Stopwatch()
    for encoder in ("spectral", "ease"):  # so that imports are in nobody's seconds
        small = FinetuneSettings(encoder=encoder, name="warm-up", device="cpu", encoder_settings={"rank": 2})
        finetune(workspace, small, Control(force=True))
    prepared = Prepared(workspace.current("prepare"))
    known, test = prepared.histories("train", "valid"), prepared.histories("test")
    held = {user: set(test.item_E[test.user_E == user].tolist()) for user in np.unique(test.user_E)}
    for rung in rungs:
        done = finetune(workspace, settings_of(rung), Control(force=True))
        seconds = watch.seconds()
        served = open_run(workspace, done.version.name, ("train",), Control(), device="cpu")  # type: ignore[union-attr]
        item_UK, _ = top_k(served.user_UD, served.item_ID, k=20, seen=known, allowed_I=served.reachable_I)
        lists = dict(enumerate(item_UK.tolist()))
        yield f"reccli {rung}", seconds, done.data["best_value"], float(ndcg_by_user(lists, held).mean())  # type: ignore


def implicit(python: str, truth: Truth, rungs: list[str], most: float) -> Iterator[Found]:
    """Fit each rung of implicit."""
    out = truth.folder / "implicit"
    command = [python, str(HERE / "rivals" / "implicit_ladder.py"), str(truth.folder), str(out), "--ladder", *rungs]
    done = subprocess.run([*command, "--most", str(most)], stdout=subprocess.PIPE, text=True, check=True)
    for line in map(json.loads, done.stdout.splitlines()):
        stem = line["rung"].replace(":", "-")
        value = {part: truth.quality(out / f"{stem}-{part}.csv", part) for part in ("valid", "test")}
        yield f"implicit {line['rung']}", line["cpu seconds"], value["valid"], value["test"]


def ease(python: str, truth: Truth) -> Iterator[Found]:
    """Fit RecBole's EASE."""
    out = truth.folder / "recbole"
    took = measured([python, str(HERE / "rivals" / "recbole_lists.py"), str(truth.folder), str(out), "EASE"])
    found = json.loads(took.stdout.splitlines()[-1])
    yield "RecBole EASE", found["cpu seconds"], found["valid"], truth.quality(out / "train.csv", "test")


def main() -> None:
    """Fit all, then choose within the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--implicit", help="Python with implicit")
    parser.add_argument("--recbole", help="Python with recbole; EASE is left out without one")
    parser.add_argument("--prepare", nargs="*", default=["split=random"], help="flags of prepare, without their dashes")
    parser.add_argument("--seconds", nargs="+", type=float, default=[1.0, 10.0, 60.0])
    parser.add_argument("--ours", nargs="*", default=list(OURS))
    parser.add_argument("--theirs", nargs="*", default=list(THEIRS))
    parser.add_argument("--out", type=Path, default=Path("seconds"))
    given = parser.parse_args()
    out = given.out.resolve()
    flags = [part for text in given.prepare for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]
    reccli(out / "workspace", "prepare", given.file, *flags)
    write_parts(out / "workspace", out)
    truth = Truth(out)
    rows: dict[str, list[Found]] = {"reccli": [], "rivals": []}
    sources = [("reccli", ours(Workspace(out / "workspace"), given.ours))]
    if given.implicit:
        sources.append(("rivals", implicit(given.implicit, truth, given.theirs, max(given.seconds))))
    if given.recbole:
        sources.append(("rivals", ease(given.recbole, truth)))
    for side, source in sources:
        for row in source:
            rows[side].append(row)
            print(f"{row[0]}: {row[1]:.2f} CPU s, valid {row[2]:.4f}, test {row[3]:.4f}", flush=True)
    for seconds in given.seconds:
        for side, found in rows.items():
            fits = [row for row in found if row[1] <= seconds]
            name, took, valid, test = max(fits, key=lambda row: row[2]) if fits else ("nothing", 0.0, 0.0, 0.0)
            print(f"within {seconds:g} s, {side}: {name} ({took:.2f} s), valid {valid:.4f}, test {test:.4f}")


if __name__ == "__main__":
    main()
