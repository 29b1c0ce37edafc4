"""Cold items among all items: what a text encoder's lists for warm items lose when cold items compete for their places.

usage: cold_among_all.py FILE [FILE ...] [--seeds 1 2 3] [--encoders bert hybrid] [--prepare FLAG ...] [--set A.B=V ...]
[--out FOLDER]

FILEs and flags go to `reccli prepare --split cold-item`. Of its train part a tenth of the rows is then held out as
well, so that the test part has rows of warm items and of items that nobody has touched. Printed: NDCG@20 of the warm
rows, with the warm items as candidates and with all of them; how much of the lists is cold; Recall@20 of the cold rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from cold_items import K, Split, listed, quality
from movielens_als import interval, reccli

from reccli.artifacts import Prepared
from reccli.workspace import Workspace

PARTS = ("train", "valid", "test")


def hold_rows_out(cold: Path, target: Path, seed: int) -> tuple[Path, Path]:
    """Write the interactions and items of a cold-item split, a tenth of the train rows moved to test."""
    prepared = Prepared(Workspace(cold).current("prepare"))
    rng, frames = np.random.default_rng(seed), []
    for part in PARTS:
        rows = prepared.histories(part)
        names = np.full(len(rows), part)
        if part == "train":
            names[rng.random(len(rows)) < 0.1] = "test"
        ids = (prepared.users["user_id"].to_numpy()[rows.user_E], prepared.items["item_id"].to_numpy()[rows.item_E])
        frames.append(pl.DataFrame({"user_id": ids[0], "item_id": ids[1], "split": names}))
    target.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_csv(target / "interactions.csv")
    prepared.items.select("item_id", "text").write_csv(target / "items.csv")
    return target / "interactions.csv", target / "items.csv"


def columns(held: sp.csr_matrix, keep: np.ndarray) -> sp.csr_matrix:
    """Return the held-out rows of some items alone."""
    return held @ sp.diags(keep.astype(np.float32))


def main() -> None:
    """Run all seeds; print a line for each encoder, then the pooled changes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--encoders", nargs="+", default=["bert", "hybrid"])
    parser.add_argument("--prepare", nargs="*", default=[], help="further flags of prepare, without their dashes: a=b")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="settings of finetune")
    parser.add_argument("--out", type=Path, default=Path("cold-among-all"))
    given = parser.parse_args()
    flags = [part for text in given.prepare for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]
    sets = [part for text in given.sets for part in ("--set", text)]
    pooled: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for seed in given.seeds:
        cold, workspace = given.out / f"{seed}-cold", given.out / str(seed)
        reccli(cold, "prepare", *given.files, "--split", "cold-item", "--seed", str(seed), *flags)
        interactions, items = hold_rows_out(cold, given.out / f"{seed}-files", seed)
        reccli(workspace, "prepare", str(interactions), "--items", str(items), "--split", "given")
        split = Split(workspace)
        warm_test = columns(split.part["test"], split.warm)
        for encoder in given.encoders:
            reccli(workspace, "finetune", "--encoder", encoder, "--name", encoder, *sets)
            among_warm = listed(workspace, split, encoder, np.flatnonzero(split.warm))
            among_all = listed(workspace, split, encoder, np.arange(len(split.ids)))
            before, after = (quality(lists, warm_test)[0] for lists in (among_warm, among_all))
            cold_recall = quality(among_all, columns(split.part["test"], ~split.warm))[1].mean()
            pooled.setdefault(encoder, []).append((before, after))
            print(
                f"seed {seed}: {encoder}  warm NDCG@{K} {before.mean():.4f} among warm, {after.mean():.4f} among all "
                f"({after.mean() / before.mean() - 1:+.2%});  {(~split.warm[among_all]).mean():.1%} of the lists cold, "
                f"Recall@{K} of cold rows {cold_recall:.4f}",
                flush=True,
            )
    for encoder, found in pooled.items():
        before, after = (np.concatenate(values) for values in zip(*found, strict=True))
        low, high = interval(after - before)
        change = after.mean() / before.mean() - 1
        print(f"{encoder}: {change:+.2%}, difference {(after - before).mean():+.5f} [{low:+.5f} {high:+.5f}]")


if __name__ == "__main__":
    main()
