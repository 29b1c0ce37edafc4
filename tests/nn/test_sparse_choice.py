"""Choices on held-out training rows, against NDCG by loops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.nn import sparse_choice
from reccli.nn.sparse_choice import Trial, trial


def some_trial(share: float = 0.3, *, ordered: bool = False, users: int = 99) -> Trial:
    draw = np.random.default_rng(2)
    user_E, item_E = np.nonzero(draw.random((20, 15)) < 0.4)
    data = TrainingData(
        Histories.from_arrays(user_E, item_E, n_users=20, n_items=15, time_E=draw.permutation(len(user_E))),
        ordered=ordered,
    )
    found = trial(data, Context(), "test", users=users, share=share)
    assert found is not None
    return found


def literal(found: Trial, score_BI: np.ndarray, k: int) -> float:
    total = 0.0
    for row, score_I in enumerate(score_BI):
        seen, wanted = (set(part.rows([row]).item_E.tolist()) for part in (found.seen, found.relevant))
        ranking = sorted((i for i in range(15) if i not in seen), key=lambda i, s=score_I: -s[i])[:k]
        gained = sum(1 / np.log2(place + 2) for place, i in enumerate(ranking) if i in wanted)
        total += gained / sum(1 / np.log2(place + 2) for place in range(min(len(wanted), k)))
    return total / len(score_BI)


@pytest.mark.parametrize("block", [3, 256])
def test_variants_equal_loops(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_choice, "BLOCK", block)
    found = some_trial()
    scores = np.random.default_rng(4).normal(size=(2, len(found.user_B), 15)).astype(np.float32)

    def variants(low: int, high: int) -> Iterator[torch.Tensor]:
        for score_BI in scores:
            yield torch.from_numpy(score_BI[low:high].copy())

    expected = [literal(found, score_BI, 4) for score_BI in scores]
    assert found.of_variants(variants, 2, k=4) == pytest.approx(expected)
    scale_I = np.arange(15, dtype=np.float32)
    measured = found.of_scores(lambda low, high: scores[0][low:high].copy(), [None, scale_I], k=4)
    assert measured == pytest.approx([expected[0], literal(found, scores[0] * scale_I, 4)])


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_the_newest_is_held(share: float) -> None:
    found = some_trial(share, ordered=True)
    whole = len(found.kept) + len(found.relevant)
    assert len(found.relevant) / whole == pytest.approx(share, abs=0.1)
    for row, user in enumerate(found.user_B):
        assert found.relevant.rows([row]).time_E.min() > found.kept.rows([user]).time_E.max()


def test_some_users_are_tried() -> None:
    assert len(some_trial(users=5).user_B) == 5
