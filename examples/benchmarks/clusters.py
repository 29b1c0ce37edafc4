"""How much clusters tell about genres: those of `pretrain --objective clusters` against k-means on the frozen vectors.

usage: clusters.py RATINGS ITEMS [--text TEMPLATE] [--genres genres] [--objective clusters] [--seeds 1 2 3]
       [--set a=b] [--out FOLDER]

Normalised mutual information (NMI) of clusters and the first genre of each item, mean and spread over seeds, for each
granularity. K-means runs with the same seeds on frozen vectors of the same texts: raw, centred, and the mean of those
of their parts, where they have parts (`reccli.nn.text_parts`). Genres are no labels in training, but by default a text
holds them: `--text '{title}'` leaves them out on both sides. The last row is k-means on the vectors of whole texts by
the trained models, centred.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import polars as pl
from movielens_als import reccli
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from reccli.artifacts import Prepared
from reccli.nn.cluster_views import centred, joint_vectors
from reccli.nn.text_folder import offline_model
from reccli.nn.text_parts import text_parts
from reccli.nn.text_source import TextSource
from reccli.workspace import Workspace

GRANULARITIES = (16, 64, 256)
NO_ATTRIBUTES = ("item", "item_id", "title", "text")
STORED, WHOLE = "stored clusters", "k-means, trained whole"


def told(label_I: np.ndarray, cluster_I: np.ndarray) -> float:
    """NMI of labels and clusters, arithmetic mean of the entropies below."""
    return float(normalized_mutual_info_score(label_I, cluster_I))


def show(name: str, values: dict[int, list[float]]) -> None:
    """Print mean and standard deviation over seeds."""
    cells = [f"{count}: {np.mean(found):.4f} (sd {np.std(found):.4f})" for count, found in values.items()]
    print(f"{name:<24} {'   '.join(cells)}", flush=True)


def off_mean(vector_ID: np.ndarray, has_I: np.ndarray | None = None) -> np.ndarray:
    """Unit vectors after the mean is taken off; zeros where there is none."""
    has_I = np.ones(len(vector_ID), np.bool_) if has_I is None else has_I
    return centred(vector_ID, has_I, vector_ID[has_I].mean(0))


def frozen(source: TextSource, items: pl.DataFrame, label_I: np.ndarray, seeds: list[int]) -> None:
    """Print what k-means on the frozen vectors tells: raw, centred, and of parts."""
    texts = [text or "" for text in items["text"]]
    vector_ID = source.vectors(texts)
    rows = {"k-means, frozen": vector_ID, "k-means, frozen centred": off_mean(vector_ID)}
    attributes = {name: items[name].to_list() for name in items.columns if name not in NO_ATTRIBUTES}
    if parts := text_parts(texts, attributes):
        print(f"parts: {', '.join(parts)}", flush=True)
        has = {name: np.array([bool(text) for text in column]) for name, column in parts.items()}
        views = [off_mean(source.vectors(column), has[name]) for name, column in parts.items()]
        rows["k-means, frozen parts"] = joint_vectors(views)
    for name, rows_ID in rows.items():
        values: dict[int, list[float]] = {count: [] for count in GRANULARITIES}
        for count, found in values.items():
            for seed in seeds:
                fitted = KMeans(count, n_init=1, random_state=seed).fit_predict(rows_ID)
                found.append(told(label_I, fitted))
        show(name, values)


def trained(workspace: Workspace, run: str, label_I: np.ndarray, seed: int) -> dict[str, dict[int, float]]:
    """NMI of the stored clusters of items, and of k-means on the trained vectors of texts, by granularity."""
    version = workspace.current("pretrain", run)
    members, features = version.read("cluster_members"), version.read("item_features")
    whole_ID = off_mean(np.stack(features["text"].to_list()).astype(np.float32))
    found: dict[str, dict[int, float]] = {STORED: {}, WHOLE: {}}
    for count in GRANULARITIES:
        rows = members.filter((members["kind"] == "item") & (members["granularity"] == count))
        found[STORED][count] = told(label_I[rows["code"].to_numpy()], rows["cluster"].to_numpy())
        found[WHOLE][count] = told(label_I, KMeans(count, n_init=1, random_state=seed).fit_predict(whole_ID))
    return found


def main() -> None:
    """Print the frozen rows, then the trained one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings")
    parser.add_argument("items")
    parser.add_argument("--text", help="template of an item's text")
    parser.add_argument("--genres", default="genres", help="column of the items")
    parser.add_argument("--objective", default="clusters")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", dest="sets", action="append", default=[], help="settings of pretrain")
    parser.add_argument("--out", type=Path, default=Path("clusters"))
    given = parser.parse_args()
    text = ["--item-text", given.text] if given.text else []
    reccli(given.out, "prepare", given.ratings, "--items", given.items, "--split", "random", "--seed", "1", *text)
    workspace = Workspace(given.out)
    items = Prepared(workspace.current("prepare")).items
    label_I = np.array([re.split(r"[|,;]", str(genres))[0].strip() for genres in items[given.genres]])
    frozen(TextSource(offline_model(), max_length=64, cache=workspace.cache), items, label_I, given.seeds)
    values: dict[str, dict[int, list[float]]] = {STORED: {}, WHOLE: {}}
    sets = [part for text in given.sets for part in ("--set", text)]
    for seed in given.seeds:
        run = f"seed-{seed}"
        flags = ["--objective", given.objective, "--seed", str(seed), "--name", run, *sets]
        reccli(given.out, "pretrain", *flags)
        for name, found in trained(workspace, run, label_I, seed).items():
            for count, value in found.items():
                values[name].setdefault(count, []).append(value)
    print(f"pretrain {given.objective}:", flush=True)
    for name, columns in values.items():
        show(name, columns)


if __name__ == "__main__":
    main()
