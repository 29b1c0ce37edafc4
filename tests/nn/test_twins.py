from __future__ import annotations

import numpy as np

from reccli.api import Histories
from reccli.nn.twins import twins, with_twins


def test_equal_texts_are_one_but_for_empty_and_common_ones() -> None:
    texts = ["Dune", "", " dune ", "Heat", "", *["unknown"] * 51, "DUNE"]
    twin = twins(texts, len(texts))
    assert twin[[0, 2, 56]].tolist() == [0, 0, 0]
    assert twin[[1, 3, 4]].tolist() == [1, 3, 4]
    assert twin[5:56].tolist() == list(range(5, 56))
    assert twins(None, 3).tolist() == [0, 1, 2]


def test_histories_know_all_items_of_a_text() -> None:
    rng = np.random.default_rng(0)
    twin = np.array([0, 1, 0, 3, 1, 0])
    user, item = rng.integers(0, 5, 12), rng.integers(0, 6, 12)
    histories = Histories.from_arrays(user, item, n_users=5, n_items=6)
    grown = with_twins(histories, twin)
    for u in range(5):
        known = histories.rows([u]).item_E.tolist()
        expected = sorted(j for i in known for j in range(6) if twin[j] == twin[i])
        assert sorted(grown.rows([u]).item_E.tolist()) == expected
    assert with_twins(histories, np.arange(6)) is histories
