"""A small version, committed."""

from __future__ import annotations

import polars as pl

from reccli.manifest import Manifest
from reccli.workspace import Version, Workspace, fingerprint

FRAME = pl.DataFrame({"epoch": [0, 1], "metric": ["loss", "loss"], "value": [2.0, 1.0]}).cast({"epoch": pl.UInt32})


def commit(space: Workspace, *, number: int = 1, name: str = "run") -> Version:
    """Commit a version of `pretrain`."""
    manifest = Manifest(stage="pretrain", fingerprint=fingerprint("pretrain", {"n": number}))
    with space.writing(), space.draft("pretrain") as draft:
        draft.write("training_log", FRAME.with_columns(pl.col("value") * number))
        return space.commit(draft, name, manifest)


def write_and_fail(space: Workspace) -> None:
    with space.writing(), space.draft("pretrain") as draft:
        draft.write("training_log", FRAME)
        raise RuntimeError("boom")
