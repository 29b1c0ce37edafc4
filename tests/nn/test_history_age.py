"""Ages are counted from a history's end, and entries count by a power of them."""

from __future__ import annotations

import numpy as np

from reccli.api import Histories
from reccli.nn.history_age import aged, ages


def test_age_is_counted_from_the_end() -> None:
    histories = Histories.from_arrays([0, 0, 0, 2], [4, 1, 2, 3], n_users=3, n_items=5, time_E=[1, 2, 3, 4])
    assert ages(histories).tolist() == [2, 1, 0, 0]
    np.testing.assert_allclose(aged(histories, 0.5).weight_E, [3**-0.5, 2**-0.5, 1, 1], rtol=1e-6)
    assert aged(histories, 0.0) is histories
