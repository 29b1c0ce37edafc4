"""From artifacts to arrays: the prepared data as histories, vectors as tensors, and back.

U users, I items, E interactions, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories, TrainingData
from reccli.errors import DamagedArtifactError
from reccli.workspace import Version

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Prepared", "read_vectors", "vectors_frame"]

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Prepared:
    """The prepared data of a workspace, read on demand."""

    version: Version

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
        """Return what components may learn from: the given parts (train without any), with texts and features."""
        return TrainingData(
            train=self.histories(*(parts or ("train",))),
            item_text_I=self._texts(self.items),
            user_text_U=self._texts(self.users),
            ordered=self.ordered,
            task=task or self.task,
            features=features or {},
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


def vectors_frame(code: str, vector_RD: npt.NDArray[np.float32]) -> pl.DataFrame:
    """Build a vectors artifact: column `code` (u32, 0 to R - 1) and `vector` (Array of f32)."""
    import polars as pl

    rows, width = vector_RD.shape
    return pl.DataFrame(
        {
            code: np.arange(rows, dtype=np.uint32),
            "vector": pl.Series(np.ascontiguousarray(vector_RD, np.float32), dtype=pl.Array(pl.Float32, width)),
        }
    )


def read_vectors(version: Version, artifact: str) -> npt.NDArray[np.float32]:
    """Read `user_vectors` or `item_vectors` as an array, RD float32.

    Raises:
        DamagedArtifactError: A vector is not finite.
    """
    vector_RD = version.read(artifact)["vector"].to_numpy()
    if not np.isfinite(vector_RD).all():
        raise DamagedArtifactError(
            f"{artifact}.parquet has vectors that are not finite", hint="reccli finetune --force"
        )
    return np.ascontiguousarray(vector_RD)
