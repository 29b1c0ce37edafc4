"""reccli's `bert` against four simple ways to rank items that nobody has touched: NDCG@20 and Recall@20.

usage: cold_items.py FILE [FILE ...] [--seeds 1 2 3] [--prepare FLAG ...] [--category TEXT] [--out FOLDER]

FILEs and flags go to `reccli prepare --split cold-item`: a tenth of the items is held out whole for test, a tenth for
validation. Candidates are the items of test; histories are train and validation for all. Rivals:

* frozen: mean of the history's vectors, centred on the mean of the items seen in training, cosine
* tf-idf: the same with TF-IDF vectors
* category: how popular the item's category is (`--category` gives a pattern whose matches in the text are categories)
* ridge: mean of the history's spectral vectors times a ridge regression from text vectors to spectral vectors, its
  strength chosen on the validation items
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from movielens_als import interval, reccli
from scipy.sparse.linalg import svds

from reccli.artifacts import Prepared
from reccli.nn.text_folder import offline_model
from reccli.nn.text_source import TextSource
from reccli.workspace import Workspace

K = 20
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)


class Split:
    """Arrays of one prepared split."""

    def __init__(self, workspace: Path) -> None:
        space = Workspace(workspace)
        prepared = Prepared(space.current("prepare"))
        self.ids = prepared.items["item_id"].to_list()
        self.users = prepared.users["user_id"].to_list()
        self.texts = [text or "" for text in prepared.items["text"].to_list()]
        shape = (len(self.users), len(self.ids))
        self.part = {
            name: sp.csr_matrix((np.ones(len(rows), np.float32), (rows.user_E, rows.item_E)), shape)
            for name in ("train", "valid", "test")
            for rows in [prepared.histories(name)]
        }
        self.warm = np.asarray(self.part["train"].sum(0)).ravel() > 0
        vectors = TextSource(offline_model(), cache=space.cache).vectors(self.texts)
        self.text = vectors - vectors[self.warm].mean(0)

    def held(self, name: str) -> np.ndarray:
        """Items of a held-out part."""
        return np.flatnonzero(np.asarray(self.part[name].sum(0)).ravel() > 0)

    def history(self, name: str) -> sp.csr_matrix:
        """Each user's known interactions before a part, each row adding up to 1."""
        known = self.part["train"] + self.part["valid"] if name == "test" else self.part["train"]
        return sp.diags(1 / np.maximum(np.asarray(known.sum(1)).ravel(), 1)) @ known


def lists(score_UC: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return each user's K best candidates, best first."""
    return candidates[np.argsort(-score_UC, axis=1, kind="stable")[:, :K]]


def quality(list_UK: np.ndarray, held: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return NDCG@K and Recall@K of every user with held-out items."""
    count = np.asarray(held.sum(1)).ravel().astype(int)
    some = np.flatnonzero(count)
    hit = np.take_along_axis(np.asarray(held[some].todense()) > 0, list_UK[some], 1)
    gain = 1 / np.log2(np.arange(2, K + 2))
    return (hit @ gain) / np.cumsum(gain)[np.minimum(count[some], K) - 1], hit.sum(1) / count[some]


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def rivals(split: Split, category: str | None) -> dict[str, np.ndarray]:
    """Return the lists of each rival for the test items."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    test, history = split.held("test"), split.history("test")
    found = {"frozen": unit(history @ split.text) @ unit(split.text[test]).T}
    words = TfidfVectorizer(sublinear_tf=True).fit([t for t, warm in zip(split.texts, split.warm, strict=True) if warm])
    table = words.transform(split.texts)
    found["tf-idf"] = (history @ table @ table[test].T).toarray()
    if category:
        count = np.asarray(split.part["train"].sum(0)).ravel()
        names = [re.findall(category, text) for text in split.texts]
        counts: dict[str, list[float]] = {}
        for item in np.flatnonzero(split.warm):
            for name in names[item]:
                counts.setdefault(name, []).append(count[item])
        mean = {name: float(np.mean(values)) for name, values in counts.items()}
        popular = np.array([np.mean([mean.get(name, 0.0) for name in names[item]] or [0.0]) for item in test])
        found["category"] = np.tile(popular, (len(split.users), 1))
    found["ridge"] = ridge(split)
    return {name: lists(score, test) for name, score in found.items()}


def ridge(split: Split) -> np.ndarray:
    """Return scores of test items by the regression whose strength is best on the validation items."""
    train = split.part["train"]
    degree_U, degree_I = (np.maximum(np.asarray(train.sum(axis)).ravel(), 1) for axis in (1, 0))
    scaled = sp.diags(degree_U**-0.5) @ train @ sp.diags(degree_I**-0.5)
    _, _, turned = svds(scaled.astype(np.float64), k=64, random_state=0)
    place = turned.T * np.sqrt(degree_I)[:, None]
    text = split.text[split.warm].astype(np.float64)
    gram = text.T @ text
    fitted = {}
    for strength in STRENGTHS:
        left = gram + strength * np.trace(gram) / len(gram) * np.eye(len(gram))
        fitted[strength] = split.text @ np.linalg.solve(left, text.T @ place[split.warm])
    valid, best = split.held("valid"), {}
    for strength, told in fitted.items():
        score = (split.history("valid") @ place) @ told[valid].T
        best[strength] = quality(lists(score, valid), split.part["valid"])[0].mean()
    told = fitted[max(best, key=lambda strength: best[strength])]
    past = np.where(split.warm[:, None], place, told)
    return (split.history("test") @ past) @ told[split.held("test")].T


def ours(workspace: Path, split: Split, flags: list[str]) -> np.ndarray:
    """Train `bert` and return its lists of the test items."""
    reccli(workspace, "finetune", "--encoder", "bert", "--name", "bert", *flags)
    return listed(workspace, split, "bert", split.held("test"))


def listed(workspace: Path, split: Split, run: str, candidates: np.ndarray) -> np.ndarray:
    """Return a run's lists of some items, what is known before the test part left out."""
    allowed = workspace / "allowed-items.txt"
    allowed.write_text("\n".join(split.ids[item] for item in candidates) + "\n", encoding="utf-8")
    flags = ["--as-of", "test", "-k", str(K), "--items-allow", str(allowed), "--format", "csv"]
    text = reccli(workspace, "recommend", "--run", run, *flags)
    user = {name: code for code, name in enumerate(split.users)}
    item = {name: code for code, name in enumerate(split.ids)}
    list_UK = np.zeros((len(user), K), np.int64)
    for row in csv.DictReader(text.splitlines()):
        list_UK[user[row["user_id"]], int(row["rank"]) - 1] = item[row["item_id"]]
    return list_UK


def main() -> None:
    """Run all seeds; print a line each, then the pooled differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seeds", nargs="+", default=["1", "2", "3"])
    parser.add_argument("--prepare", nargs="*", default=[], help="further flags of prepare, without their dashes: a=b")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="settings of finetune")
    parser.add_argument("--category", help="pattern of a category in a text")
    parser.add_argument("--out", type=Path, default=Path("cold-items"))
    given = parser.parse_args()
    flags = [part for text in given.prepare for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]
    sets = [part for text in given.sets for part in ("--set", text)]
    pooled: dict[str, list[np.ndarray]] = {}
    for seed in given.seeds:
        workspace = given.out / seed
        reccli(workspace, "prepare", *given.files, "--split", "cold-item", "--seed", seed, *flags)
        split = Split(workspace)
        found = {"bert": ours(workspace, split, sets), **rivals(split, given.category)}
        line = f"seed {seed}:"
        for name, list_UK in found.items():
            ndcg, recall = quality(list_UK, split.part["test"])
            line += f"  {name} {ndcg.mean():.4f} / {recall.mean():.4f}"
            pooled.setdefault(name, []).append(ndcg)
        print(line, flush=True)
    mine = np.concatenate(pooled["bert"])
    mean = np.mean([values.mean() for values in pooled["bert"]])
    for name, values in pooled.items():
        if name != "bert":
            low, high = interval(mine - np.concatenate(values))
            other = np.mean([value.mean() for value in values])
            print(
                f"NDCG@{K}: bert {mean:.4f}, {name} {other:.4f} ({mean / other - 1:+.1%}), "
                f"difference [{low:+.4f} {high:+.4f}]"
            )


if __name__ == "__main__":
    main()
