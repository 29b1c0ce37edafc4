"""Histories and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories


@pytest.mark.parametrize("data", ["weight", "value"])
def test_matrices_own_their_numbers(data: str) -> None:
    """SciPy sorts the entries of a row in place; those of the histories stay in the order of time."""
    filling = {f"{data}_E": np.array([1.0, 2.0, 3.0], np.float32)}
    histories = Histories.from_arrays([0, 0, 0], [2, 1, 0], n_users=1, n_items=3, time_E=[1, 2, 3], **filling)
    matrix = histories.to_scipy(data)
    matrix.sum_duplicates()
    assert matrix.toarray().tolist() == [[3.0, 2.0, 1.0]]
    matrix.data[:] = 9
    assert histories.item_E.tolist() == [2, 1, 0]
    assert getattr(histories, f"{data}_E").tolist() == [1.0, 2.0, 3.0]
