"""Histories as a sparse matrix. U users, I items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reccli.api.data import Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["history_matrix"]


def history_matrix(histories: Histories) -> csr_matrix:
    """Return the weights of histories, UI float32, repeated pairs added up."""
    matrix_UI = histories.to_scipy("weight")
    matrix_UI.sum_duplicates()
    return matrix_UI
