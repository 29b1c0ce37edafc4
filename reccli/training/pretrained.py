"""What a pretrain version gives to fine-tuning."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from reccli.workspace import Version

__all__ = ["read_features"]


def read_features(version: Version, names: Collection[str] | None = None) -> dict[str, npt.NDArray[np.float32]]:
    """Return the item (and user) features of a pretrain version by name: all, or those that are named."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for artifact, code in (("user_features", "user"), ("item_features", "item")):
        if version.has(f"{artifact}.parquet"):
            frame = version.read(artifact)
            for column in frame.columns:
                if column != code and (names is None or column in names):
                    found[column] = np.ascontiguousarray(frame[column].to_numpy(), np.float32)
    return found
