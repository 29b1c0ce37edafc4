"""What `finetune --recipe auto` and `single` keep, beside every encoder with its defaults: validation and test NDCG@10.

usage: recipes.py DATA [--sets hetrec-lastfm amazon-toys ...] [--encoders ease history ...] [--seed 1] [--out FOLDER]
       [--seconds 1200] [--no-recipes] [--report]

DATA/<set>/interactions.parquet has columns user_id and item_id; items.parquet beside it, where there is one, is found
and read too. Splits are random 8:1:1 within each user, every row a positive, but for amazon-toys (the last item of each
user tested, the last but one validated) and gowalla (the published test part, and a tenth of the train part to
validate). Each encoder is trained as `finetune --encoder NAME` does without further settings (on one thread), as the
run auto-NAME, which is how the recipe calls those it tries, so that it finds them up to date; one that takes more than
so many seconds is left out, as is one that does not fit the data. The recipe chooses by validation. Test is looked at
once for each run, for users by their train and validation rows, items of both left out of the lists. Each measurement
is a row of results/recipes.csv and is not made again while it stands there.

What a recipe loses is how far what it keeps is below the best encoder on validation and, which nobody can know before,
on test; it gains where that is negative.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from movielens_als import HERE, reccli

from reccli.artifacts import Prepared
from reccli.retrieval.topk import top_k
from reccli.stages.common import Control
from reccli.stages.opening import open_run
from reccli.workspace import Workspace

SETS = ("ml-latest-small", "filmtrust", "hetrec-lastfm", "book-crossing", "amazon-toys", "gowalla")
OTHERWISE = {
    "amazon-toys": ("--split", "leave-one-out", "--item-text", "{genid_text} {attribute_ids}"),
    "gowalla": ("--split", "given", "--split-column", "split", "--valid-from-train", "0.1"),
}
"""How the sets are prepared that are not split at random."""
ENCODERS = ("ease", "history", "als", "item-knn", "user-knn", "spectral", "elsa", "mf", "lightgcn", "recency", "sasrec")
RECIPES = {"recipe": "auto", "single": "single"}
COLUMNS = ("date", "data", "seed", "run", "chosen", "valid", "test", "users", "seconds")
K = 10
FLAGS = ("--device", "cpu", "--threads", "1")


def prepared(data: Path, name: str, seed: int, workspace: Path) -> None:
    """Prepare one set."""
    at_random = ("--split", "random", "--seed", str(seed), "--value-column", "none")
    how = OTHERWISE.get(name, at_random)
    reccli(workspace, "prepare", str(data / name / "interactions.parquet"), *how)


def trained(workspace: Path, seconds: float, *flags: str) -> dict[str, object] | None:
    """Run finetune; return its facts, or None where it failed or took too long."""
    command = [sys.executable, "-m", "reccli", "finetune", *flags, *FLAGS, "-w", str(workspace), "-q", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"{workspace.name} {' '.join(flags)}: more than {seconds:.0f} s", file=sys.stderr)
        return None
    if done.returncode:
        print(f"{workspace.name} {' '.join(flags)}: {done.stderr.splitlines()[-2:]}", file=sys.stderr)
        return None
    return dict(json.loads(done.stdout)["data"])


def test_quality(workspace: Path, run: str) -> np.ndarray:
    """NDCG@10 of each user with a test item."""
    data = Prepared(Workspace(workspace).current("prepare"))
    served = open_run(Workspace(workspace), run, ("train", "valid"), Control(), device="cpu")
    known, wanted = data.histories("train", "valid"), data.histories("test")
    item_UK, _ = top_k(served.user_UD, served.item_ID, k=K, seen=known, allowed_I=served.reachable_I)
    key_E = wanted.user_E.astype(np.int64) * wanted.n_items + wanted.item_E
    hit_UK = np.isin(np.arange(len(item_UK))[:, None] * wanted.n_items + item_UK, key_E) & (item_UK >= 0)
    gain_K = 1 / np.log2(np.arange(2, K + 2))
    some_U = wanted.length_U > 0
    ideal_U = np.cumsum(gain_K)[np.minimum(wanted.length_U[some_U], K) - 1]
    found: np.ndarray = (hit_UK[some_U] @ gain_K) / ideal_U
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows measured so far."""
    return list(csv.DictReader(path.open())) if path.is_file() else []


def add(path: Path, row: dict[str, object]) -> None:
    """Keep a row, on disk at once."""
    rows = [*rows_of(path), {name: f"{v:.5g}" if isinstance(v := row[name], float) else str(v) for name in COLUMNS}]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda kept: (kept["data"], kept["seed"], kept["run"])))
    print(json.dumps(rows[-1]), flush=True)


def measure(given: argparse.Namespace, name: str) -> None:
    """Measure what has no row yet on one set."""
    there = {row["run"] for row in rows_of(given.results) if (row["data"], row["seed"]) == (name, str(given.seed))}
    missing = [run for run in (*given.encoders, *([] if given.no_recipes else RECIPES)) if run not in there]
    workspace = given.out / name
    if missing:
        prepared(given.data, name, given.seed, workspace)
    for run in missing:
        seed = ("--seed", str(given.seed))
        how = ("--recipe", RECIPES[run]) if run in RECIPES else ("--encoder", run, "--name", f"auto-{run}")
        facts = trained(workspace, given.seconds * (5 if run in RECIPES else 1), *how, *seed)
        if facts is None:
            continue
        stored = "auto" if run in RECIPES else f"auto-{run}"
        version = Workspace(workspace).current("finetune", stored)
        quality = test_quality(workspace, stored)
        row = {
            "data": name,
            "seed": given.seed,
            "run": run,
            "valid": facts["best_value"],
            "test": float(quality.mean()),
        }
        chosen = version.manifest.settings["encoder"]
        seconds = "" if run in RECIPES else float(version.manifest.seconds)
        took = {"users": len(quality), "seconds": seconds, "chosen": chosen}
        add(given.results, {"date": datetime.date.today().isoformat(), **row, **took})


def report(given: argparse.Namespace) -> None:
    """Print one table, a line for each set."""
    print("| data | recipe: kept | valid | test | best on valid | loses | best on test | loses |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.sets:
        rows = {
            row["run"]: row for row in rows_of(given.results) if (row["data"], row["seed"]) == (name, str(given.seed))
        }
        kept = {recipe: row for recipe in RECIPES if (row := rows.pop(recipe, None))}
        if not kept or not rows:
            continue
        for recipe, mine in kept.items():
            cells = [name, f"{RECIPES[recipe]}: `{mine['chosen']}`", _short(mine["valid"]), _short(mine["test"])]
            for part in ("valid", "test"):
                best = max(rows.values(), key=lambda row: float(row[part]))
                cells += [f"`{best['run']}` {_short(best[part])}", f"{1 - float(mine[part]) / float(best[part]):.1%}"]
            print(f"| {' | '.join(cells)} |")
        others = sorted(rows.values(), key=lambda row: -float(row["valid"]))
        told = ", ".join(f"`{row['run']}` {_short(row['valid'])} / {_short(row['test'])}" for row in others)
        print(f"    {name}: {told}", file=sys.stderr)


def _short(text: str) -> str:
    return f"{float(text):.4f}".lstrip("0")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--encoders", nargs="*", default=ENCODERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1200.0, help="wall time of one training")
    parser.add_argument("--out", type=Path, default=Path("recipes"))
    parser.add_argument("--results", type=Path, default=HERE / "results" / "recipes.csv")
    parser.add_argument("--no-recipes", action="store_true", help="measure encoders alone")
    parser.add_argument("--report", action="store_true", help="print what was measured, and measure nothing")
    given = parser.parse_args()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    given.out = given.out.resolve()
    for name in () if given.report else given.sets:
        measure(given, name)
    report(given)


if __name__ == "__main__":
    main()
