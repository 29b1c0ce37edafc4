"""Ratings of films from their texts, against biases and two biased matrix factorisations.

The test RMSE on random 8:1:1 splits of `tastes` (ratings alone, and ratings and ranking at once), of `bert-cross`
where asked for, of regularised biases, of Surprise's SVD and of LensKit's BiasedMF; the rivals are tuned on the same
validation parts. All fit on train, and again on train and valid, and predict the same rows of test, clipped to the
range of the ratings. Also for items with fewer than 5 ratings among those fitted on, and with none. Intervals of
differences: 2,000 bootstrap samples of users, who keep all their rows of all splits.

Make an environment with `pip install scikit-surprise pandas pyarrow polars 'numpy<2'`, and one with
`pip install 'lenskit<2026' polars`, then, with the Python of reccli:

    python examples/benchmarks/ratings.py --ratings ml-latest-small/ratings.csv --movies ml-latest-small/movies.csv \
        --surprise SURPRISE/bin/python --lenskit LENSKIT/bin/python
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from reccli.artifacts import Prepared
from reccli.stages.common import Control
from reccli.stages.opening import open_run
from reccli.workspace import Workspace

HERE = Path(__file__).resolve().parent
RECCLI = Path(sys.executable).parent / "reccli"
TASTES = {"tastes": ["--task", "rating"], "tastes, with ranking": ["--task", "rating,ranking:0.003"]}
CROSS = ["--task", "rating", "--epochs", "1", "--set", "encoder.rows=1024", "--set", "encoder.shown=2"]
CROSS += ["--set", "encoder.max_length=64"]
KINDS = {"train": ("train",), "refit": ("train", "valid")}


def reccli(workspace: Path, *command: str) -> None:
    """Run one stage on one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(RECCLI), *command, "-w", str(workspace), "--quiet"], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"reccli {' '.join(command)}:\n{done.stderr}")


def predictions(workspace: Path, run: str, kind: str, test: pl.DataFrame) -> np.ndarray:
    """What a run predicts for rows of test."""
    served = open_run(Workspace(workspace), run, KINDS[kind], Control(), device="cpu")
    low, high = served.facts["value_range"]
    return served.pair_scores(test["user"].to_numpy().astype(np.int64), test["item"].to_numpy().astype(np.int64)).clip(
        low, high
    )


def biases(fit_on: pl.DataFrame, rows: pl.DataFrame, of_items: float, of_users: float) -> np.ndarray:
    """Mean and shrunken biases of items and users, each of what the other leaves."""
    user, item, value = fit_on["user"].to_numpy(), fit_on["item"].to_numpy(), fit_on["value"].to_numpy()
    users, items = max(user.max(), rows["user"].max()) + 1, max(item.max(), rows["item"].max()) + 1
    mean, user_bias, item_bias = value.mean(), np.zeros(users), np.zeros(items)
    for _ in range(10):
        left = value - mean - user_bias[user]
        item_bias = np.bincount(item, left, items) / (np.bincount(item, minlength=items) + of_items)
        left = value - mean - item_bias[item]
        user_bias = np.bincount(user, left, users) / (np.bincount(user, minlength=users) + of_users)
    return (mean + user_bias[rows["user"].to_numpy()] + item_bias[rows["item"].to_numpy()]).clip(0.5, 5.0)


def tuned_biases(part: dict[str, pl.DataFrame]) -> dict[str, np.ndarray]:
    """Biases shrunken as validation says."""

    def error(setting: tuple[float, float]) -> float:
        return float(np.mean((biases(part["train"], part["valid"], *setting) - part["valid"]["value"].to_numpy()) ** 2))

    setting = min(itertools.product((1, 2, 3, 5, 8, 12), (2, 4, 8, 15)), key=error)
    known = {"train": part["train"], "refit": pl.concat([part["train"], part["valid"]])}
    return {kind: biases(rows, part["test"], *setting) for kind, rows in known.items()}


def rival(family: str, python: str, part: dict[str, pl.DataFrame], out: Path) -> dict[str, np.ndarray]:
    """Tune and fit a library's factorisation, or take what an earlier run of the same split left in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "report.json").is_file():
        for name, rows in part.items():
            rows.select("user", "item", "value").write_csv(out / f"{name}.csv")
        command = [python, str(HERE / "rivals" / "rating_mf.py"), family, str(out), str(out / "found")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}:\n{done.stderr}")
        (out / "report.json").write_text(done.stdout.splitlines()[-1])
    report = json.loads((out / "report.json").read_text())
    print(f"  {family}: valid RMSE {report['valid rmse']:.4f} with {report['setting']}", flush=True)
    return {kind: pl.read_csv(out / "found" / f"{kind}.csv")["prediction"].to_numpy() for kind in KINDS}


def ours(workspace: Path, test: pl.DataFrame, cross: bool) -> dict[str, dict[str, np.ndarray]]:
    """Train each of ours, and refit it; the cross-encoder on train alone."""
    found: dict[str, dict[str, np.ndarray]] = {}
    runs = {name: ["--encoder", "tastes", *flags] for name, flags in TASTES.items()}
    if cross:
        runs["bert-cross"] = ["--encoder", "bert-cross", *CROSS]
    for name, flags in runs.items():
        run, found[name] = name.replace(", ", "-").replace(" ", "-"), {}
        for kind, more in (("train", []), ("refit", ["--refit", "--as-of", "test"])):
            if kind == "refit" and name == "bert-cross":
                continue
            begun = time.perf_counter()
            reccli(workspace, "finetune", "--name", run, "--threads", "1", *flags, *more)
            seconds = time.perf_counter() - begun
            found[name][kind] = predictions(workspace, run + ("-refit-test" if more else ""), kind, test)
            print(f"  {name}, {kind}: {seconds:.0f} s", flush=True)
    return found


def rows_of_split(given: argparse.Namespace, seed: str) -> pl.DataFrame:
    """Test rows of a split: user, value, ratings of the item by kind, and every squared error."""
    out = given.out / seed
    files = [str(given.ratings), "--items", str(given.movies)]
    reccli(out / "workspace", "prepare", *files, "--split", "random", "--task", "rating", "--seed", seed)
    everything = Prepared(Workspace(out / "workspace").current("prepare")).interactions
    part = {name: everything.filter(pl.col("split") == name) for name in ("train", "valid", "test")}
    predicted = {"biases": tuned_biases(part)}
    for family, python in (("surprise", given.surprise), ("lenskit", given.lenskit)):
        predicted[family] = rival(family, python, part, out / family)
    predicted |= ours(out / "workspace", part["test"], given.cross)
    value = part["test"]["value"].to_numpy()
    columns = {"user": part["test"]["user"]}
    for kind, names in KINDS.items():
        known = pl.concat([part[name] for name in names])["item"].to_numpy()
        count = np.bincount(known, minlength=int(everything["item"].max()) + 1)
        columns[f"count {kind}"] = pl.Series(count[part["test"]["item"].to_numpy()])
        for name, kinds in predicted.items():
            if kind in kinds:
                columns[f"{kind} {name}"] = pl.Series((kinds[kind] - value) ** 2)
    return pl.DataFrame(columns)


def interval(mine: np.ndarray, other: np.ndarray, user: np.ndarray) -> tuple[float, float, float]:
    """Relative difference of two RMSE in per cent, and its 95 % interval over users."""
    _, place = np.unique(user, return_inverse=True)
    mine, other = np.bincount(place, mine), np.bincount(place, other)
    draw = np.random.default_rng(0)
    times = draw.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=2000)
    found = 100 * (np.sqrt((times @ mine) / (times @ other)) - 1)
    low, high = np.quantile(found, [0.025, 0.975])
    return 100 * float(np.sqrt(mine.sum() / other.sum()) - 1), float(low), float(high)


def report(rows: pl.DataFrame) -> None:
    """Print RMSE and MSE of all, and differences to each rival, by slice."""
    for kind in KINDS:
        names = [name.removeprefix(f"{kind} ") for name in rows.columns if name.startswith(f"{kind} ")]
        theirs, mine = names[:3], names[3:]
        for label, below in (("all items", np.inf), ("fewer than 5 ratings", 5), ("no rating", 1)):
            some = rows.filter(pl.col(f"count {kind}") < below)
            error = {name: some[f"{kind} {name}"].to_numpy() for name in names}
            shown = ", ".join(f"{name} {np.sqrt(error[name].mean()):.4f}" for name in names)
            print(f"fitted on {kind}, {label} ({some.height:,} rows): RMSE {shown}")
            if label == "all items":
                print("  MSE " + ", ".join(f"{name} {error[name].mean():.4f}" for name in names))
            for one, other in itertools.product(mine, theirs):
                value, low, high = interval(error[one], error[other], some["user"].to_numpy())
                print(f"  {one} against {other}: {value:+.2f} % [{low:+.2f} {high:+.2f}]")


def main() -> None:
    """Run all splits, then report them together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--movies", type=Path, required=True)
    parser.add_argument("--surprise", required=True, help="Python of the environment with scikit-surprise")
    parser.add_argument("--lenskit", required=True, help="Python of the environment with lenskit")
    parser.add_argument("--seeds", nargs="+", default=["1", "2", "3"])
    parser.add_argument("--cross", action="store_true", help="also bert-cross, which takes minutes a split")
    parser.add_argument("--out", type=Path, default=Path("ratings"))
    given = parser.parse_args()
    found = []
    for seed in given.seeds:
        print(f"split {seed}", flush=True)
        found.append(rows_of_split(given, seed))
        errors = found[-1].select(pl.selectors.starts_with("train ").mean().sqrt()).row(0, named=True)
        print("  " + ", ".join(f"{name.removeprefix('train ')} {value:.4f}" for name, value in errors.items()))
    report(pl.concat(found))


if __name__ == "__main__":
    main()
