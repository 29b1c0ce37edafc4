"""From artifacts to arrays: the prepared data as histories, vectors as tensors, and back.

U users, I items, E interactions, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories, TrainingData
from reccli.api.vectors import MixedVectors
from reccli.errors import DamagedArtifactError
from reccli.workspace import Version

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

__all__ = ["Prepared", "read_vectors", "vectors_frame"]

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Prepared:
    """The prepared data of a workspace, read on demand.

    Args:
        version: Where it is.
        shared: Whether several trainings share it: what is trained on, and the validation part, then stay when tables
            are forgotten. Each training holds these arrays anyway.
    """

    version: Version
    shared: bool = False
    _learned: dict[tuple[str, ...], TrainingData] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def users(self) -> pl.DataFrame:
        """Users in code order."""
        return self._dense("users", "user")

    @cached_property
    def items(self) -> pl.DataFrame:
        """The catalogue in code order."""
        return self._dense("items", "item")

    @cached_property
    def interactions(self) -> pl.DataFrame:
        """All kept interactions."""
        frame = self.version.read("interactions")
        if frame.height and (
            frame["user"].max() >= self.users.height or frame["item"].max() >= self.items.height  # type: ignore[operator]
        ):
            raise DamagedArtifactError(
                "interactions.parquet has codes outside users or items", hint="reccli prepare --force"
            )
        return frame

    @property
    def ordered(self) -> bool:
        """Whether the interactions have a real order."""
        return bool(self.version.manifest.facts.get("ordered", False))

    @property
    def task(self) -> str:
        """`ranking`, `rating` or `ctr`."""
        return str(self.version.manifest.facts.get("task", "ranking"))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts; `history` is what is known of cold users, which nothing but a refit trains on."""
        return (*PARTS, "history") if self.version.manifest.counts.get("history") else PARTS

    def trained_parts(self, *, refit: bool, as_of: str = "now") -> tuple[str, ...]:
        """Return the parts that a run learns from: train, or with `refit` all, or (`as_of` test) all but test."""
        if not refit:
            return ("train",)
        return tuple(part for part in self.parts if as_of == "now" or part != "test")

    @cached_property
    def validation(self) -> Histories:
        """The validation part as histories of all users."""
        return self.histories("valid")

    def forget(self) -> None:
        """Drop the tables that were read; they are read again when they are asked for."""
        for name in ("users", "items", "interactions", *(() if self.shared else ("validation",))):
            self.__dict__.pop(name, None)

    def histories(self, *parts: str) -> Histories:
        """Return the interactions of some parts (all parts without any) as histories of all users."""
        import polars as pl

        frame = self.interactions
        if parts:
            frame = frame.filter(pl.col("split").is_in(parts))
        return Histories.from_arrays(
            frame["user"].to_numpy(),
            frame["item"].to_numpy(),
            n_users=self.users.height,
            n_items=self.items.height,
            value_E=frame["value"].to_numpy(),
            weight_E=frame["weight"].to_numpy(),
            time_E=frame["time"].fill_null(0).to_numpy(),
        )

    def training_data(
        self, *parts: str, task: str | None = None, features: dict[str, npt.NDArray[np.float32]] | None = None
    ) -> TrainingData:
        """Return what components may learn from: the given parts (train without any), with texts and features.

        It is not to be changed: of shared data the next training gets the same arrays.
        """
        parts = parts or ("train",)
        found = self._learned.get(parts) or self._read_training_data(parts)
        if self.shared:
            self._learned.clear()  # of one at a time
            self._learned[parts] = found
        return replace(found, task=task or self.task, features=features or {})

    def _read_training_data(self, parts: tuple[str, ...]) -> TrainingData:
        return TrainingData(
            train=self.histories(*parts),
            item_text_I=self._texts(self.items),
            user_text_U=self._texts(self.users),
            ordered=self.ordered,
            triples_T3=self._triples(),
            item_attributes={
                column: self.items[column].to_list()
                for column in self.items.columns
                if column not in ("item", "item_id", "title", "text")
            },
        )

    @staticmethod
    def _texts(frame: pl.DataFrame) -> list[str] | None:
        if frame["text"].null_count() == frame.height:
            return None
        return frame["text"].fill_null("").to_list()

    def _triples(self) -> npt.NDArray[np.int64] | None:
        import polars as pl

        if not self.version.has("triples.parquet"):
            return None
        frame = self.version.read("triples").drop_nulls(["head_item", "tail_item"])
        relation = frame["relation"].cast(pl.Enum(frame["relation"].unique().sort())).to_physical()
        return np.stack([frame["head_item"].to_numpy(), relation.to_numpy(), frame["tail_item"].to_numpy()], 1).astype(
            np.int64
        )

    def _dense(self, artifact: str, code: str) -> pl.DataFrame:
        frame = self.version.read(artifact)
        dense = np.arange(frame.height, dtype=np.uint32)
        if not np.array_equal(frame[code].to_numpy(), dense) or frame[f"{code}_id"].n_unique() != frame.height:
            raise DamagedArtifactError(
                f"{artifact}.parquet codes are not 0 to {frame.height - 1}, each id once", hint="reccli prepare --force"
            )
        return frame


def vectors_frame(code: str, vectors: npt.NDArray[np.float32] | MixedVectors) -> pl.DataFrame:
    """Build a vectors artifact.

    Its columns are `code` (u32, 0 to R - 1), `vector` (an array of f32, left out where there are no dense numbers), and
    `index` and `weight` (lists of u32 and f32) where there is a sparse part.
    """
    import polars as pl

    dense_RD = vectors.dense_ND if isinstance(vectors, MixedVectors) else vectors
    rows, width = dense_RD.shape
    frame = pl.DataFrame({code: np.arange(rows, dtype=np.uint32)})
    if width or not isinstance(vectors, MixedVectors):
        dtype = pl.Array(pl.Float32, width)
        frame = frame.with_columns(vector=pl.Series(np.ascontiguousarray(dense_RD, np.float32), dtype=dtype))
    if not isinstance(vectors, MixedVectors):
        return frame
    matrix = vectors.sparse_NS.tocsr()
    matrix.sort_indices()
    return frame.with_columns(
        index=_lists(matrix.indices.astype(np.uint32), matrix.indptr),
        weight=_lists(matrix.data.astype(np.float32), matrix.indptr),
    )


def _lists(value_E: npt.NDArray[np.generic], offset_R1: npt.NDArray[np.integer]) -> pl.Series:
    import polars as pl
    import pyarrow as pa

    array = pa.LargeListArray.from_arrays(pa.array(offset_R1.astype(np.int64)), pa.array(value_E))
    return pl.Series(pl.from_arrow(array))


def read_vectors(
    version: Version, artifact: str, *, sparse_columns: int | None = None
) -> npt.NDArray[np.float32] | MixedVectors:
    """Read `user_vectors` or `item_vectors`, RD float32, or with their sparse part where they have one.

    Args:
        version: The run.
        artifact: `user_vectors` or `item_vectors`.
        sparse_columns: Columns of the sparse part.

    Raises:
        DamagedArtifactError: A vector is not finite, or the sparse part is not of that many columns.
    """
    frame = version.read(artifact)
    rows = frame.height
    dense_RD = frame["vector"].to_numpy() if "vector" in frame.columns else np.zeros((rows, 0), np.float32)
    if not np.isfinite(dense_RD).all():
        raise _damaged(artifact, "vectors that are not finite")
    dense_RD = np.ascontiguousarray(dense_RD)
    if "index" not in frame.columns:
        return dense_RD
    return MixedVectors(dense_RD, _sparse_part(frame, artifact, sparse_columns or 0))


def _sparse_part(frame: pl.DataFrame, artifact: str, width: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    length_R, index_E = frame["index"].list.len().to_numpy(), frame["index"].explode(empty_as_null=False).to_numpy()
    weight_E = frame["weight"].explode(empty_as_null=False).to_numpy()
    if len(index_E) != len(weight_E) or not np.array_equal(length_R, frame["weight"].list.len().to_numpy()):
        raise _damaged(artifact, "rows with more indices than weights, or fewer")
    if len(index_E) and int(index_E.max()) >= width:
        raise _damaged(artifact, f"an index outside 0 to {width - 1}")
    if not np.isfinite(weight_E).all():
        raise _damaged(artifact, "weights that are not finite")
    offset_R1 = np.concatenate([[0], np.cumsum(length_R, dtype=np.int64)])
    return csr_matrix((weight_E, index_E.astype(np.int64), offset_R1), shape=(len(length_R), width))


def _damaged(artifact: str, what: str) -> DamagedArtifactError:
    return DamagedArtifactError(f"{artifact}.parquet has {what}", hint="reccli finetune --force")
