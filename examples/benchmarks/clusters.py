"""How much clusters tell about genres: those of `pretrain --objective clusters` against k-means on the frozen vectors.

usage: clusters.py RATINGS ITEMS [--text TEMPLATE] [--genres genres] [--objective clusters] [--seeds 1 2 3]
       [--set a=b] [--out FOLDER]

Normalised mutual information (NMI) of clusters and the first genre of each item, mean and spread over seeds, for each
granularity; k-means runs on raw and on centred frozen vectors of the same texts with the same seeds. Genres are no
labels in training, but by default a text holds them: `--text '{title}'` leaves them out on both sides.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
from movielens_als import reccli
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from reccli.artifacts import Prepared
from reccli.nn.text_folder import offline_model
from reccli.nn.text_source import TextSource
from reccli.workspace import Workspace

GRANULARITIES = (16, 64, 256)


def told(label_I: np.ndarray, cluster_I: np.ndarray) -> float:
    """NMI of labels and clusters, arithmetic mean of the entropies below."""
    return float(normalized_mutual_info_score(label_I, cluster_I))


def show(name: str, values: dict[int, list[float]]) -> None:
    """Print mean and standard deviation over seeds."""
    cells = [f"{count}: {np.mean(found):.4f} (sd {np.std(found):.4f})" for count, found in values.items()]
    print(f"{name:<24} {'   '.join(cells)}", flush=True)


def frozen(texts: list[str], label_I: np.ndarray, seeds: list[int]) -> None:
    """Print what k-means on the frozen vectors tells, raw and centred."""
    vector_ID = TextSource(offline_model(), max_length=64).vectors(texts)
    centred_ID = vector_ID - vector_ID.mean(0)
    centred_ID /= np.maximum(np.linalg.norm(centred_ID, axis=1, keepdims=True), 1e-12)
    for name, rows_ID in (("k-means, frozen", vector_ID), ("k-means, frozen centred", centred_ID)):
        values: dict[int, list[float]] = {count: [] for count in GRANULARITIES}
        for count, found in values.items():
            for seed in seeds:
                fitted = KMeans(count, n_init=1, random_state=seed).fit_predict(rows_ID)
                found.append(told(label_I, fitted))
        show(name, values)


def trained(workspace: Workspace, run: str, label_I: np.ndarray) -> dict[int, float]:
    """NMI of the stored clusters of items, by granularity."""
    members = workspace.current("pretrain", run).read("cluster_members")
    found = {}
    for count in GRANULARITIES:
        rows = members.filter((members["kind"] == "item") & (members["granularity"] == count))
        found[count] = told(label_I[rows["code"].to_numpy()], rows["cluster"].to_numpy())
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
    frozen([text or "" for text in items["text"]], label_I, given.seeds)
    values: dict[int, list[float]] = {count: [] for count in GRANULARITIES}
    sets = [part for text in given.sets for part in ("--set", text)]
    for seed in given.seeds:
        run = f"seed-{seed}"
        flags = ["--objective", given.objective, "--seed", str(seed), "--name", run, *sets]
        reccli(given.out, "pretrain", *flags)
        for count, found in trained(workspace, run, label_I).items():
            values[count].append(found)
    show(f"pretrain {given.objective}", values)


if __name__ == "__main__":
    main()
