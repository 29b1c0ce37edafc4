"""What lists lose when training rows are missing or wrong: reccli's encoders beside plain EASE.

usage: noise.py RATINGS.csv MOVIES.csv [--seeds 1 2 3 4 5] [--out FOLDER]

`reccli prepare --split random` splits 8:1:1. Of each split there are three versions, which differ in the train part
alone: `clean`; `half`, half of the rows at random; and `noise`, with a fifth more rows, each a random user with an item
that is in no part of that user's. All settings are chosen by NDCG@10 of the validation part of the same version: the
penalty of plain EASE (Steck 2019, in closed form through the users' Gram matrix, which is the same matrix), penalty and
power of users of `ease*`, and the weights of ensembles; `ease`, `history`, `spectral` and `lightgcn` have their
defaults. `ease, words` reads titles and genres, which the others do not. Test lists know the train rows of the version
and the validation part, and leave both out; for `half*` they leave the missing rows out as well, which otherwise, being
of the users' own, take the places of test items.

Printed: test NDCG@10, mean over all users of all splits; its relative fall from `clean`; and how much less that is than
plain EASE's, with a paired bootstrap interval over users (each with what all splits say of it).
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from movielens_als import reccli

from reccli.artifacts import Prepared
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.ensemble import ensemble_of
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.stages.serving import Served
from reccli.workspace import Workspace

KINDS = ("clean", "half", "noise")
KNOWN = {"valid": ("train",), "test": ("train", "valid")}
PENALTIES = (50, 100, 200, 400, 800, 1600)
GRID = {0.0: (0.002, 0.004, 0.008, 0.016), 0.25: (0.008, 0.016, 0.032, 0.064), 0.5: (0.032, 0.064, 0.128)}
RUNS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "ease": [("ease", {"words": 0.0})],
    "ease*": [("ease", {"words": 0.0, "user_power": power, "l2": l2}) for power, some in GRID.items() for l2 in some],
    "history": [("history", {})],
    "spectral": [("spectral", {})],
    "lightgcn": [("lightgcn", {})],
    "ease, words": [("ease", {})],
}
ENSEMBLES = {
    "ease* + history": ("ease*", "history"),
    "ease* + history + lightgcn": ("ease*", "history", "lightgcn"),
    "ease* + history + spectral": ("ease*", "history", "spectral"),
    "ease, words + history + spectral": ("ease, words", "history", "spectral"),
}
WEIGHTS = (1.0, 2.0, 4.0, 8.0)


def rows_of(prepared: Prepared, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of a part, as codes."""
    rows = prepared.histories(part)
    return rows.user_E, rows.item_E


def corrupt(prepared: Prepared, kind: str, seed: int, target: Path) -> Path:
    """Write the interactions of a clean split with another train part."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    users, items = prepared.users.height, prepared.items.height
    part = {name: rows_of(prepared, name) for name in ("train", "valid", "test")}
    user, item = part["train"]
    if kind == "half":
        kept = rng.permutation(len(user))[: len(user) // 2]
        part["train"] = (user[kept], item[kept])
    else:
        taken = {int(key) for u, i in part.values() for key in u * items + i}
        warm, wrong = np.unique(item), list[int]()
        while len(wrong) < len(user) // 5:
            key = int(rng.integers(users)) * items + int(rng.choice(warm))
            if key not in taken:
                taken.add(key)
                wrong.append(key)
        part["train"] = (np.r_[user, np.array(wrong) // items], np.r_[item, np.array(wrong) % items])
    ids = (prepared.users["user_id"].to_numpy(), prepared.items["item_id"].to_numpy())
    frames = [
        pl.DataFrame({"user_id": ids[0][u], "item_id": ids[1][i], "split": [n] * len(u)}) for n, (u, i) in part.items()
    ]
    target.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_csv(target / "interactions.csv")
    return target / "interactions.csv"


def matrix(rows: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Zeros and ones."""
    found = np.zeros(shape, np.float64)
    found[rows] = 1
    return found


def ndcg(score_UI: np.ndarray, hidden_UI: np.ndarray, held_UI: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k of every user; NaN without held-out items."""
    shown = np.where(hidden_UI > 0, -np.inf, score_UI)
    top = np.argpartition(-shown, k, axis=1)[:, :k]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(shown, top, 1), axis=1, kind="stable"), 1)
    gain, held_U = 1 / np.log2(np.arange(2, k + 2)), (held_UI > 0).sum(1)
    hit = np.take_along_axis(held_UI, top, 1) > 0
    ideal = np.cumsum(gain)[np.clip(held_U, 1, k) - 1]
    return np.where(held_U > 0, (hit * gain).sum(1) / ideal, np.nan)


def plain_ease(train_UI: np.ndarray, known_UI: np.ndarray, penalty: float) -> np.ndarray:
    """Scores of EASE: B = -P / diag(P) off the diagonal, 0 on it, with P = (X'X + penalty)^-1."""
    inner = np.linalg.inv(train_UI @ train_UI.T + penalty * np.eye(len(train_UI)))
    half = inner @ train_UI
    diagonal = (1 - np.einsum("ui,ui->i", train_UI, half)) / penalty
    product = (known_UI - (known_UI @ train_UI.T) @ half) / penalty
    return known_UI - product / diagonal


class Version:
    """One version of a split, with what is known and held out as matrices."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = Workspace(workspace)
        self.prepared = Prepared(self.workspace.current("prepare"))
        shape = (self.prepared.users.height, self.prepared.items.height)
        self.part = {name: matrix(rows_of(self.prepared, name), shape) for name in ("train", "valid", "test")}
        self.known = {"valid": self.part["train"], "test": self.part["train"] + self.part["valid"]}
        self.served: dict[tuple[str, str], Served] = {}

    def scores(self, runs: list[str], weights: tuple[float, ...], split: str) -> np.ndarray:
        """Scores of a run, or of several together."""
        for run in runs:
            if (run, split) not in self.served:
                self.served[run, split] = open_run(self.workspace, run, KNOWN[split], Control(), device="cpu")
        found = ensemble_of([self.served[run, split] for run in runs], weights if len(runs) > 1 else ())
        score_UI = np.asarray(found.user_UD) @ np.asarray(found.item_ID).T
        return np.where(found.reachable_I, score_UI, -np.inf)

    def normalised(self, run: str) -> np.ndarray:
        """Scores of a run for validation as an ensemble takes them: by user, without mean and deviation."""
        score_UI = self.scores([run], (), "valid")
        known = np.isfinite(score_UI)
        mean_U1 = np.mean(score_UI, 1, where=known, keepdims=True)
        deviation_U1 = np.std(score_UI, 1, where=known, keepdims=True)
        return np.where(known, (score_UI - mean_U1) / np.maximum(deviation_U1, 1e-12), 0.0)

    def valid(self, score_UI: np.ndarray) -> float:
        """NDCG@10 of the validation part."""
        return float(np.nanmean(ndcg(score_UI, self.known["valid"], self.part["valid"])))


def chosen_run(version: Version, name: str) -> tuple[str, str]:
    """Fit all settings of one of `RUNS`; return the best run on validation, and its settings."""
    found = []
    for number, (encoder, given) in enumerate(RUNS[name]):
        run = f"{name.replace('*', '-chosen').replace(', ', '-')}-{number}"
        settings = FinetuneSettings(encoder=encoder, name=run, encoder_settings=given, device="cpu", threads=1)
        result = finetune(version.workspace, settings, Control())
        found.append((float(result.data["best_value"]), run, json.dumps(given)))
    return max(found)[1:]


def measure(version: Version) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Choose on validation; return scores for test by method, and what was chosen."""
    scores, chosen = {}, {}
    penalty = max(PENALTIES, key=lambda p: version.valid(plain_ease(version.part["train"], version.part["train"], p)))
    scores["plain EASE"] = plain_ease(version.part["train"], version.known["test"], penalty)
    chosen["plain EASE"] = str(penalty)
    run = {}
    for name in RUNS:
        run[name], chosen[name] = chosen_run(version, name)
        scores[name] = version.scores([run[name]], (), "test")
    for name, members in ENSEMBLES.items():
        runs = [run[member] for member in members]
        options = [weights for weights in itertools.product(WEIGHTS, repeat=len(runs)) if min(weights) == 1.0]
        parts = [version.normalised(member) for member in runs]
        values = [version.valid(sum(w * part for w, part in zip(some, parts, strict=True))) for some in options]
        best = options[int(np.argmax(values))]
        scores[name], chosen[name] = version.scores(runs, best, "test"), str(best)
    return scores, chosen


def of_split(files: list[str], seed: int, out: Path) -> dict[str, dict[str, np.ndarray]]:
    """Test NDCG@10 of each user by kind and method, or what an earlier run left in `out`."""
    stored = out / f"{seed}.json"
    if not stored.is_file():
        found: dict[str, dict[str, list[float]]] = {}
        folder = {kind: out / str(seed) / kind for kind in KINDS}
        reccli(folder["clean"], "prepare", *files[:1], "--items", files[1], "--split", "random", "--seed", str(seed))
        clean = Version(folder["clean"])
        for kind in KINDS:
            if kind != "clean":
                interactions = corrupt(clean.prepared, kind, seed, out / str(seed) / f"{kind}-files")
                reccli(folder[kind], "prepare", str(interactions), "--items", files[1], "--split", "given")
            version = Version(folder[kind])
            scores, chosen = measure(version)
            print(f"seed {seed} {kind}: {chosen}", flush=True)
            hidden = {kind: version.known["test"]}
            if kind == "half":
                hidden["half*"] = clean.known["test"]
            for name, hidden_UI in hidden.items():
                found[name] = {m: ndcg(s, hidden_UI, clean.part["test"]).tolist() for m, s in scores.items()}
        stored.write_text(json.dumps(found))
    return {
        kind: {m: np.array(v) for m, v in methods.items()} for kind, methods in json.loads(stored.read_text()).items()
    }


def fall(clean_US: np.ndarray, other_US: np.ndarray) -> float:
    """Relative fall of the mean."""
    return float(1 - np.nanmean(other_US) / np.nanmean(clean_US))


def main() -> None:
    """Run all seeds; print a line for each kind and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path, default=Path("noise"))
    given = parser.parse_args()
    splits = [of_split(given.files, seed, given.out) for seed in given.seeds]
    table = {k: {m: np.stack([split[k][m] for split in splits], 1) for m in splits[0][k]} for k in splits[0]}
    draws = np.random.default_rng(0).integers(0, len(table["clean"]["ease"]), (2000, len(table["clean"]["ease"])))
    for kind in ("clean", "noise", "half", "half*"):
        for method, value_US in table[kind].items():
            line = f"{kind:6} {method:28} NDCG@10 {np.nanmean(value_US):.4f}"
            if kind != "clean":
                pair, base = (
                    (table["clean"][method], value_US),
                    (table["clean"]["plain EASE"], table[kind]["plain EASE"]),
                )
                less = [fall(*(v[row] for v in base)) - fall(*(v[row] for v in pair)) for row in draws]
                low, high = np.quantile(less, [0.025, 0.975])
                line += f"  fall {fall(*pair):6.1%}  less than plain EASE by {fall(*base) - fall(*pair):+.2%}"
                line += f" [{low:+.2%}, {high:+.2%}]"
            print(line)


if __name__ == "__main__":
    main()
