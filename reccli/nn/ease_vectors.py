"""EASE as vectors: of items as candidates, and of items as parts of a history. I items, R components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.nn.spectral import Spectrum

__all__ = ["ease_vectors", "shares"]

Float32 = npt.NDArray[np.float32]
ROUNDING = 1e-6


def shares(found: Spectrum, l2: float) -> Float32:
    """Return how much of each component is kept, R.

    Args:
        found: Spectrum of the interactions, items' degrees not divided out.
        l2: Penalty as a share of the largest squared singular value.
    """
    square_R = found.value_R.astype(np.float64) ** 2
    share_R: Float32 = (square_R / (square_R + l2 * square_R.max(initial=1e-12))).astype(np.float32)
    return share_R


def ease_vectors(item_NR: Float32, share_R: Float32) -> tuple[Float32, Float32]:
    """Return the vectors of items as candidates and as parts of a history, NR each.

    What of an item the others do not tell is no less than the rounding of its vector: where the penalty is next to
    nothing, it would be rounding alone, 0 or below.

    Args:
        item_NR: Rows of the right singular vectors.
        share_R: How much of each component is kept.
    """
    kept_N = np.maximum(1.0 - (item_NR.astype(np.float64) ** 2) @ share_R.astype(np.float64), ROUNDING)
    history_NR = item_NR * np.sqrt(share_R)
    return (
        np.ascontiguousarray(history_NR / kept_N[:, None], dtype=np.float32),
        np.ascontiguousarray(history_NR, dtype=np.float32),
    )
