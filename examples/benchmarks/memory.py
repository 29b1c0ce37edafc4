"""The most memory that training takes: RecBole's LightGCN beside reccli's lightgcn and spectral.

usage: memory.py INTERACTIONS --recbole RECBOLE/bin/python [--epochs 2] [--steps N] [--encoders lightgcn spectral]
       [--set A.B=V ...] [--out FOLDER]

INTERACTIONS has columns user_id, item_id and split (train or test), as Gowalla's published split; a tenth of each
user's training rows validates. Printed: the largest resident set of each process up to the end of training, validation
after every epoch included, and its CPU seconds. With --steps an epoch of RecBole has only so many batches: each holds
what any other holds, since LightGCN walks the whole graph in every step.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from measured import measured, measured_reccli
from movielens_als import HERE, reccli

from reccli.artifacts import Prepared
from reccli.workspace import Workspace


def write_parts(workspace: Path, folder: Path) -> None:
    """Write the parts of the prepared data with their ids."""
    prepared = Prepared(Workspace(workspace).current("prepare"))
    users, items = prepared.users["user_id"].to_list(), prepared.items["item_id"].to_list()
    for part in ("train", "valid", "test"):
        rows = prepared.histories(part)
        with (folder / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("user", "item"))
            writer.writerows((users[user], items[item]) for user, item in zip(rows.user_E, rows.item_E, strict=True))


def main() -> None:
    """Train each, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interactions")
    parser.add_argument("--recbole", help="Python with recbole; reccli alone without one")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--encoders", nargs="*", default=["lightgcn", "spectral"])
    parser.add_argument("--set", dest="sets", action="append", default=[], help="settings of reccli's encoders")
    parser.add_argument("--out", type=Path, default=Path("memory"))
    given = parser.parse_args()
    out = given.out.resolve()
    workspace = out / "workspace"
    flags = ("--split", "given", "--split-column", "split", "--valid-from-train", "0.1")
    reccli(workspace, "prepare", given.interactions, *flags)
    for encoder in given.encoders:
        limit = ["--epochs", str(given.epochs)] if encoder == "lightgcn" else []
        sets = [part for text in given.sets for part in ("--set", text)]
        took = measured_reccli(workspace, "finetune", "--encoder", encoder, *limit, *sets, "--force", "--json")
        facts = json.loads(took.stdout)["data"]
        print(
            f"reccli {encoder}: {took.peak_mb:,} MiB, {took.cpu_seconds:.0f} CPU s, {facts['epochs']} epochs,", end=" "
        )
        print(f"valid ndcg@10 {facts['best_value']:.4f}", flush=True)
    if given.recbole is None:
        return
    write_parts(workspace, out)
    limit = ["--epochs", str(given.epochs), *(["--steps", str(given.steps)] if given.steps else [])]
    script = str(HERE / "rivals" / "recbole_lists.py")
    done = measured([given.recbole, script, str(out), str(out), "LightGCN", "--seconds", "inf", *limit])
    found = json.loads(done.stdout.splitlines()[-1])
    steps = f" of {given.steps} steps" if given.steps else ""
    print(f"RecBole LightGCN: {found['peak MB']:,} MiB, {found['cpu seconds']:.0f} CPU s,", end=" ")
    print(f"{found['epochs']} epochs{steps}, valid ndcg@10 {found['valid']:.4f}")


if __name__ == "__main__":
    main()
