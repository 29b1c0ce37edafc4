"""Columns, types and units of every Parquet artifact: the single truth for writers, readers and checks.

Types are Arrow-like short names: `u32`, `i64`, `f32`, `f64`, `str`, `vec` (a fixed-size list of f32), `u32s` and `f32s`
(lists of any length). A `?` after the type allows nulls; a column in brackets may be left out. Artifacts marked open
may carry further columns (attributes); all others are closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reccli.errors import DamagedArtifactError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SCHEMAS", "SPLITS", "ArtifactSchema", "check_frame"]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class ArtifactSchema:
    """One Parquet file's columns."""

    columns: dict[str, str]
    open: bool = False
    """Whether further columns are allowed (attributes as the user gave them)."""


SCHEMAS: dict[str, ArtifactSchema] = {
    # prepare
    "interactions": ArtifactSchema(
        {
            "user": "u32",  # dense code, row of `users`
            "item": "u32",  # dense code, row of `items`
            "value": "f32",  # rating, count or label as given; 1 without a value column
            "weight": "f32",  # confidence; 1 unless behaviours or values are weighted
            "time": "i64?",  # microseconds since 1970-01-01 UTC; null without a time column
            "split": "str",  # train, valid or test; history for what is known of a cold user and never trained on
        }
    ),
    "users": ArtifactSchema({"user": "u32", "user_id": "str", "text": "str?"}, open=True),
    "items": ArtifactSchema({"item": "u32", "item_id": "str", "title": "str?", "text": "str?"}, open=True),
    "triples": ArtifactSchema(
        {"head_id": "str", "relation": "str", "tail_id": "str", "head_item": "u32?", "tail_item": "u32?"}
    ),
    "rejected": ArtifactSchema({"reason": "str", "count": "u64", "file": "str?", "first_line": "u64?", "text": "str?"}),
    "leakage": ArtifactSchema({"check": "str", "part": "str", "against": "str", "count": "u64", "share": "f64"}),
    # pretrain
    "item_features": ArtifactSchema({"item": "u32"}, open=True),  # one `vec` column per feature
    "user_features": ArtifactSchema({"user": "u32"}, open=True),
    "clusters": ArtifactSchema(
        {
            "kind": "str",  # item or user
            "granularity": "u32",  # how many clusters there are
            "cluster": "u32",
            "size": "u32",  # items, or users
            "top_items": "str",  # nearest to the centre; of users those met more often than elsewhere
            "top_words": "str",  # that mark the cluster off
        }
    ),
    "cluster_members": ArtifactSchema({"kind": "str", "granularity": "u32", "cluster": "u32", "code": "u32"}),
    "training_log": ArtifactSchema({"epoch": "u32", "metric": "str", "value": "f64"}),
    # finetune
    # the sparse part, where there is one: columns that are not zero, ascending, and their weights
    "user_vectors": ArtifactSchema({"user": "u32", "vector": "[vec]", "index": "[u32s]", "weight": "[f32s]"}),
    "item_vectors": ArtifactSchema({"item": "u32", "vector": "[vec]", "index": "[u32s]", "weight": "[f32s]"}),
    "mixture": ArtifactSchema({"run": "str", "fingerprint": "str", "weight": "f64"}),  # instead of vectors of its own
    # evaluate
    "metrics": ArtifactSchema(
        {
            "run": "str",
            "metric": "str",
            "k": "u32?",
            "slice": "str",
            "value": "f64",
            "low": "f64?",
            "high": "f64?",
            "n": "u64",
        }
    ),
    "per_user": ArtifactSchema(
        {"run": "str", "user": "u32", "user_id": "str", "metric": "str", "k": "u32?", "value": "f64"}
    ),
    "differences": ArtifactSchema(
        {
            "run": "str",
            "against": "str",
            "metric": "str",
            "k": "u32?",
            "difference": "f64",
            "low": "f64",
            "high": "f64",
            "n": "u64",
        }
    ),
    # tune; the searched settings are further columns, named as `--set` takes them, but for `param.epochs`
    "trials": ArtifactSchema(
        {
            "number": "u32",
            "state": "str",  # complete, pruned, failed, running, or lost with its process
            "value": "f64?",  # validation metric of the best epoch; of a pruned trial its last epoch's
            "epoch": "u32?",  # the best one
            "epochs": "u32?",  # passes made
            "seconds": "f64?",
            "started": "i64?",  # microseconds since 1970-01-01 UTC
            "message": "str?",  # why it failed, or the trial whose settings it repeats
        },
        open=True,
    ),
    # ensemble: weights of runs chosen on validation, and the metric of each run alone
    "weights": ArtifactSchema({"run": "str", "weight": "f64", "alone": "f64"}),
    # recommend
    "recommendations": ArtifactSchema(
        {"user_id": "str", "rank": "u32", "item_id": "str", "title": "str?", "score": "f32", "reason": "str?"}
    ),
}


def check_frame(artifact: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Check a frame against its schema; return it with the schema's columns first.

    Raises:
        DamagedArtifactError: A column is missing, superfluous, of another type, or has nulls where none may be.
    """
    schema = SCHEMAS[artifact]
    for column, type_name in schema.columns.items():
        optional, type_name = type_name.startswith("["), type_name.strip("[]")
        if column not in frame.columns and optional:
            continue
        if column not in frame.columns:
            raise DamagedArtifactError(f"{artifact}.parquet has no column '{column}'")
        if not _is_type(frame.schema[column], type_name.rstrip("?")):
            raise DamagedArtifactError(
                f"{artifact}.parquet column '{column}' is {frame.schema[column]}, expected {type_name}"
            )
        if not type_name.endswith("?") and frame[column].null_count():
            raise DamagedArtifactError(f"{artifact}.parquet column '{column}' has nulls")
    extra = [column for column in frame.columns if column not in schema.columns]
    if extra and not schema.open:
        raise DamagedArtifactError(f"{artifact}.parquet has an unknown column '{extra[0]}'")
    return frame.select([*(column for column in schema.columns if column in frame.columns), *extra])


def _is_type(dtype: pl.DataType, name: str) -> bool:
    import polars as pl

    plain = {
        "u32": pl.UInt32,
        "u64": pl.UInt64,
        "i64": pl.Int64,
        "f32": pl.Float32,
        "f64": pl.Float64,
        "str": pl.String,
    }
    if name == "vec":
        return isinstance(dtype, pl.Array) and dtype.inner == pl.Float32
    if name.endswith("s") and name != "str":
        inner = plain[name.removesuffix("s")]
        return isinstance(dtype, pl.List) and dtype.inner == inner
    return dtype == plain[name]
