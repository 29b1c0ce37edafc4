"""reccli's encoders beside implicit's ALS and RecBole's EASE, BPR, SimpleX and LightGCN on four sets: NDCG@10.

usage: four_sets.py DATA --implicit IMPLICIT/bin/python --recbole RECBOLE/bin/python [--sets anime steam ...]
       [--seeds 1 2 3] [--models ease history ... als recbole-ease ...] [--reccli-args 'NAME=--recipe auto' ...]
       [--seconds 600] [--out FOLDER] [--report]

DATA/<set>/interactions.parquet has columns user_id and item_id; every row counts as an interaction. Beside it
lies items.parquet, which `prepare` finds and the rivals cannot read: runs of --reccli-args whose NAME ends in -ids are
made without. Splits are
`reccli prepare --split random --seed <seed>` (8:1:1 within each user), and the same parts go to all. All fit on train,
with default settings or settings chosen on valid; ALS is tuned on valid of the first seed, and its settings serve the
others. A rival that is trained stops by its own patience, or after so many CPU seconds (--seconds) with its best epoch;
so does tuning.

Two numbers on test, both by one scorer from top-20 lists that leave out the items of train and valid, over all users
with a test item: `train`, with histories of train alone, and `folded`, with histories of train and valid but weights of
train alone, which models that read histories (and ALS, which can compute users anew) can do and the others cannot.
Seconds of reccli are those of the whole `finetune` with its start and its validation, those of the rivals their fit.

Each measurement is a row of results/four_sets.csv and is not made again while it stands there. --report prints the
means without measuring.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from measured import measured, measured_reccli
from movielens_als import HERE, interval, ndcg_by_user, read_lists, reccli

from reccli.artifacts import Prepared
from reccli.retrieval.topk import top_k
from reccli.stages.common import Control
from reccli.stages.opening import open_run
from reccli.workspace import Workspace

SETS = ("anime", "steam", "hetrec-lastfm", "book-crossing")
OURS = ("ease", "spectral", "item-knn", "user-knn", "elsa", "history", "lightgcn")
RECBOLE = {"recbole-ease": "EASE", "recbole-bpr": "BPR", "recbole-simplex": "SimpleX", "recbole-lightgcn": "LightGCN"}
RIVALS = ("als", *RECBOLE)
ALS_GRID = {"factors": (64, 128, 256), "regularisation": (1, 5, 20, 60), "alpha": (1, 4, 10)}
EASE_GRID = "250,1000,500,100,50,25,12"
COLUMNS = ("date", "data", "seed", "model", "setting", "valid", "test", "folded", "users", "seconds")
COLUMNS += ("cpu_seconds", "stopped")
K = 20
Row = dict[str, object]


class Split:
    """One split: a workspace for reccli, and CSV files for the others."""

    def __init__(self, source: Path, out: Path, seed: int, *, texts: bool = True) -> None:
        self.folder, self.seed, self.data = out / source.name / str(seed), seed, source.name
        self.workspace = self.folder / ("workspace" if texts else "workspace-ids")
        file = source / "interactions.parquet"
        if not texts:
            alone = self.folder / "ids" / file.name
            alone.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, alone)
            file = alone
        flags = ("--value-column", "none", "--split", "random", "--seed", str(seed))
        reccli(self.workspace, "prepare", str(file), *flags)
        self.prepared = Prepared(Workspace(self.workspace).current("prepare"))
        self.users = self.prepared.users["user_id"].to_list()
        self.items = self.prepared.items["item_id"].to_list()
        for part in ("train", "valid", "test"):
            before = self.pairs(part)
            rows = self.prepared.histories(part)
            self.write(f"{part}.csv", ((u, i, None) for u, i in zip(rows.user_E, rows.item_E, strict=True)))
            assert before in (None, self.pairs(part)), f"another {part} part than before"
        self.test: dict[str, set[str]] = {}
        for row in csv.DictReader((self.folder / "test.csv").open()):
            self.test.setdefault(row["user"], set()).add(row["item"])

    def pairs(self, part: str) -> set[tuple[str, str]] | None:
        """Return the pairs in a file, or None without one."""
        path = self.folder / f"{part}.csv"
        return {(row["user"], row["item"]) for row in csv.DictReader(path.open())} if path.is_file() else None

    def write(self, name: str, rows: Iterable[tuple[int, int, int | None]]) -> None:
        """Write coded pairs, and ranks where there are any, with their ids."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("user", "item", "rank"))
            writer.writerows((self.users[user], self.items[item], rank) for user, item, rank in rows)

    def quality(self, name: str) -> np.ndarray | None:
        """NDCG@10 of every user with a test item, of the lists in a file."""
        path = self.folder / name
        if not path.is_file():
            return None
        return ndcg_by_user(read_lists(list(csv.DictReader(path.open())), "user", "item"), self.test)

    def row(self, model: str, facts: Row) -> Row:
        """Score the lists of a model."""
        train, folded = (self.quality(f"{model}/{kind}.csv") for kind in ("train", "folded"))
        assert train is not None, model
        found = {"train": train} | ({} if folded is None else {"folded": folded})
        np.savez(self.folder / f"{model}.npz", **found)
        scores = {"test": train.mean(), "folded": "" if folded is None else folded.mean(), "users": len(train)}
        date = datetime.date.today().isoformat()
        return {"date": date, "data": self.data, "seed": self.seed, "model": model, **facts, **scores}


def ours(split: Split, model: str, flags: list[str]) -> Row:
    """Fit one encoder of reccli, and list with both histories."""
    took = measured_reccli(split.workspace, "finetune", *flags, "--name", model, "--json")
    facts = json.loads(took.stdout)["data"]
    known = split.prepared.histories("train", "valid")
    for kind, parts in (("train", ("train",)), ("folded", ("train", "valid"))):
        served = open_run(Workspace(split.workspace), model, parts, Control(), device="cpu")
        if kind == "folded" and not served.facts.get("serves_new_users"):
            continue
        item_UK, _ = top_k(served.user_UD, served.item_ID, k=K, seen=known, allowed_I=served.reachable_I)
        user, rank = np.nonzero(item_UK >= 0)
        triples = zip(user, item_UK[user, rank], rank + 1, strict=True)
        split.write(f"{model}/{kind}.csv", ((int(u), int(i), int(r)) for u, i, r in triples))
    return {
        "setting": shlex.join(flags),
        "valid": facts["best_value"],
        "seconds": took.seconds,
        "cpu_seconds": took.cpu_seconds,
        "stopped": f"{facts['stopped']} {facts['epochs']}" if facts["epochs"] else facts["stopped"],
    }


def rival(command: list[str]) -> Row:
    """Run a rival's script; return what its last line says."""
    found: Row = json.loads(measured(command).stdout.splitlines()[-1])
    return found


def als(split: Split, python: str, setting: list[object] | None, seconds: float) -> Row:
    """Tune ALS, or fit it with a setting found before."""
    grid = dict(zip(ALS_GRID, [[value] for value in setting], strict=True)) if setting else ALS_GRID
    flags = [part for name, values in grid.items() for part in (f"--{name}", *map(str, values))]
    script = str(HERE / "rivals" / "implicit_als.py")
    command = [python, script, str(split.folder), str(split.folder / "als"), *flags, "--seconds", str(seconds)]
    found = rival(command)
    return {
        "setting": json.dumps(found["factors, regularisation, alpha"]),
        "valid": found["valid ndcg@10"],
        "seconds": found["cpu seconds, fit"],  # one thread, so that CPU seconds are its wall time on an idle machine
        "cpu_seconds": found["cpu seconds, fit"],
        "stopped": "iterations 15",
    }


def recbole(split: Split, python: str, model: str, tried: str | None, seconds: float) -> Row:
    """Train one model of RecBole."""
    script = str(HERE / "rivals" / "recbole_lists.py")
    command = [python, script, str(split.folder), str(split.folder / model), RECBOLE[model], "--seconds", str(seconds)]
    found = rival([*command, *(["--try", tried] if tried else [])])
    return {
        "setting": json.dumps(found["setting"]) + (f" of {json.dumps(found['tried'])}" if tried else ""),
        "valid": found["valid"],
        "seconds": found["seconds"],
        "cpu_seconds": found["cpu seconds"],
        "stopped": f"{found['stopped']} {found['epochs']}" if found["epochs"] else "closed form",
    }


class Results:
    """Rows measured so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.read()

    def read(self) -> list[dict[str, str]]:
        """What is on disk."""
        rows = csv.DictReader(self.path.open()) if self.path.is_file() else []
        return [{name: row[name] for name in COLUMNS} for row in rows]

    def find(self, data: str, seed: int, model: str) -> dict[str, str] | None:
        """Return a row, or None."""
        wanted = (data, str(seed), model)
        return next((row for row in self.rows if (row["data"], row["seed"], row["model"]) == wanted), None)

    def add(self, row: Row) -> None:
        """Keep a row, on disk at once."""
        self.rows = self.read()  # another process may have written since
        self.rows.append({name: f"{v:.5g}" if isinstance(v := row[name], float) else str(v) for name in COLUMNS})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(self.rows, key=lambda kept: (kept["data"], kept["model"], kept["seed"])))
        print(json.dumps(self.rows[-1]), flush=True)


def measure(given: argparse.Namespace, results: Results) -> None:
    """Measure what has no row yet."""
    recipes = {name: shlex.split(flags) for name, _, flags in (text.partition("=") for text in given.reccli_args)}
    recipes = {name: ["--encoder", name] for name in OURS} | recipes
    for model in [*given.models, *(name for name in recipes if name not in OURS)]:
        for data, seed in ((data, seed) for seed in given.seeds for data in given.sets):
            if results.find(data, seed, model) or given.report:
                continue
            split = Split(given.data / data, given.out, seed, texts=not model.endswith("-ids"))
            if model == "als":
                first = results.find(data, given.seeds[0], model)
                facts = als(split, given.implicit, json.loads(first["setting"]) if first else None, given.seconds)
            elif model in RECBOLE:
                tried = f"reg_weight={given.ease_grid}" if model == "recbole-ease" and data in given.tune_ease else None
                facts = recbole(split, given.recbole, model, tried, given.seconds)
            else:
                facts = ours(split, model, recipes[model])
            results.add(split.row(model, facts))


def mean(rows: list[dict[str, str]], name: str) -> str:
    """Mean of a column, empty where a row has none."""
    values = [float(row[name]) for row in rows if row[name]]
    return f"{np.mean(values):.4f}".lstrip("0") if len(values) == len(rows) else ""


def report(given: argparse.Namespace, results: Results) -> None:
    """Print the means of each set, and the choice of validation on both sides."""
    for data in given.sets:
        print(f"\n{data}\n\n| model | seeds | valid | test | test, folded | CPU seconds | stopped |")
        print("|---|---|---|---|---|---|---|")
        models = sorted({row["model"] for row in results.rows if row["data"] == data})
        kept = {name: [row for row in results.rows if (row["data"], row["model"]) == (data, name)] for name in models}
        for name in sorted(models, key=lambda name: mean(kept[name], "valid"), reverse=True):
            rows = kept[name]
            cells = [mean(rows, column) for column in ("valid", "test", "folded")]
            took, ends = np.mean([float(row["cpu_seconds"]) for row in rows]), {row["stopped"] for row in rows}
            seeds = " ".join(sorted(row["seed"] for row in rows))
            print(f"| {name} | {seeds} | {' | '.join(cells)} | {took:.0f} | {', '.join(sorted(ends))} |")
        compare(data, given, results)


def compare(data: str, given: argparse.Namespace, results: Results) -> None:
    """Print the pooled difference between what validation chooses of ours and of the rivals, on each seed."""
    pooled: dict[str, list[np.ndarray]] = {"train": [], "folded": []}
    chosen: list[str] = []
    for seed in given.seeds:
        rows = {row["model"]: row for row in results.rows if (row["data"], row["seed"]) == (data, str(seed))}
        sides = [
            [name for name in rows if name not in RIVALS and (not given.ours or name in given.ours)],
            [name for name in rows if name in RIVALS],
        ]
        if not all(sides):
            continue
        best = [max(side, key=lambda name: float(rows[name]["valid"])) for side in sides]
        chosen.append(" against ".join(best))
        files = [given.out / data / str(seed) / f"{name}.npz" for name in best]
        if all(file.is_file() for file in files):
            mine, other = (dict(np.load(file)) for file in files)
            pooled["train"].append(mine["train"] - other["train"])
            pooled["folded"].append(mine.get("folded", mine["train"]) - other.get("folded", other["train"]))
    print(f"\nchosen on valid: {', '.join(chosen)}")
    for kind, differences in pooled.items():
        if differences:
            difference = np.concatenate(differences)
            low, high = interval(difference)
            print(f"{kind}: {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}] over {len(difference)} users")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--implicit", default="python", help="Python with implicit")
    parser.add_argument("--recbole", default="python", help="Python with recbole")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--models", nargs="*", default=[*OURS, *RIVALS])
    parser.add_argument("--ours", nargs="*", help="models of reccli among which validation chooses; all without any")
    parser.add_argument("--reccli-args", nargs="*", default=[], help="NAME=FLAGS of further runs of finetune")
    parser.add_argument("--tune-ease", nargs="*", default=[], help="sets on which RecBole's EASE is tuned too")
    parser.add_argument("--ease-grid", default=EASE_GRID, help="penalties tried for it, in this order")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--out", type=Path, default=Path("four-sets"))
    parser.add_argument("--results", type=Path, default=HERE / "results" / "four_sets.csv")
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    given.out = given.out.resolve()
    results = Results(given.results)
    measure(given, results)
    report(given, results)


if __name__ == "__main__":
    sys.exit(main())
