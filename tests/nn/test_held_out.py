from __future__ import annotations

from dataclasses import replace

import numpy as np

from reccli.nn.held_out import hold_out, ndcg
from reccli.testing.inputs import skewed_data


def test_holds_a_share_and_never_the_last() -> None:
    data = skewed_data(users=400)
    kept, held = hold_out(data, 0.2, np.random.default_rng(0))
    assert len(kept) + len(held) == len(data.train)
    assert ((kept.length_U > 0) == (data.train.length_U > 0)).all()
    assert 0.1 < len(held) / len(data.train) < 0.3
    together = kept.to_scipy("ones") + held.to_scipy("ones")
    assert (together != data.train.to_scipy("ones")).nnz == 0


def test_ordered_data_holds_the_newest() -> None:
    data = skewed_data()
    kept, held = hold_out(data, 0.4, np.random.default_rng(0))
    users = np.flatnonzero(held.length_U)
    assert len(users)
    for user in users:
        assert kept.rows([user]).time_E.max() < held.rows([user]).time_E.min()
    _, random = hold_out(replace(data, ordered=False), 0.4, np.random.default_rng(0))
    assert not np.array_equal(random.item_E, held.item_E)


def test_ndcg_of_each_width_is_the_literal_one() -> None:
    data = skewed_data()
    rng = np.random.default_rng(0)
    kept, held = hold_out(data, 0.4, rng)
    users = np.flatnonzero(held.length_U)
    kept, held = kept.rows(users), held.rows(users)
    user, item = (
        rng.standard_normal((len(users), 6)).astype(np.float32),
        rng.standard_normal((30, 6)).astype(np.float32),
    )
    for width, got in zip((2, 5), ndcg(user, item, (2, 5), kept, held, k=4), strict=True):
        total = 0.0
        for row in range(len(users)):
            score = item[:, :width] @ user[row, :width]
            score[kept.rows([row]).item_E] = -np.inf
            wanted = set(held.rows([row]).item_E.tolist())
            gain = sum(1 / np.log2(2 + rank) for rank, code in enumerate(np.argsort(-score)[:4]) if code in wanted)
            total += gain / sum(1 / np.log2(2 + rank) for rank in range(min(4, len(wanted))))
        assert got == np.float64(total / len(users)).round(12) or abs(got - total / len(users)) < 1e-9
