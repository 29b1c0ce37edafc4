"""Per-user AUC against pairs counted one by one, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from reccli.api import Histories
from reccli.evaluation.auc import auc_from_ranks, auc_from_scores
from reccli.retrieval.topk import rank_of


def one_by_one(score_UI, relevant, seen, allowed_I):
    aucs = []
    for user, score_I in enumerate(score_UI):
        barred = set(seen.rows([user]).item_E.tolist()) | set(np.flatnonzero(~allowed_I).tolist())
        positive = set(relevant.rows([user]).item_E.tolist()) - barred
        other = set(range(len(score_I))) - barred - positive
        won = [(score_I[p] > score_I[n]) + 0.5 * (score_I[p] == score_I[n]) for p in positive for n in other]
        aucs.append(np.mean(won) if won else np.nan)
    return aucs


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_counting_pairs(seed):
    rng = np.random.default_rng(seed)
    n_users, n_items = int(rng.integers(1, 7)), int(rng.integers(1, 20))
    user, item = (rng.integers(-2, 3, (n, 2)).astype(np.float32) for n in (n_users, n_items))
    relevant, seen = (
        Histories.from_arrays(
            rng.integers(n_users, size=n), rng.integers(n_items, size=n), n_users=n_users, n_items=n_items
        )
        for n in rng.integers(0, n_users * n_items + 1, 2)
    )
    allowed = rng.random(n_items) < 0.8
    score_UI = user @ item.T
    want = one_by_one(score_UI, relevant, seen, allowed)
    from_scores = auc_from_scores(score_UI, relevant, seen=seen, allowed_I=allowed)
    np.testing.assert_allclose(from_scores, want, rtol=0, atol=1e-12)
    ranks = rank_of(user, item, relevant, seen=seen, allowed_I=allowed)
    from_ranks = auc_from_ranks(relevant, ranks.above_E, ranks.tied_E, ranks.candidates_U)
    np.testing.assert_allclose(from_ranks, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    score_UI = rng.integers(0, 5, (4, 30)).astype(np.float32)
    relevant = Histories.from_arrays(np.repeat(range(4), 6), rng.integers(0, 30, 24), n_users=4, n_items=30)
    label_UI = np.zeros((4, 30))
    label_UI[relevant.user_E, relevant.item_E] = 1
    want = [roc_auc_score(label, score) for label, score in zip(label_UI, score_UI, strict=True)]
    np.testing.assert_allclose(auc_from_scores(score_UI, relevant), want, rtol=0, atol=1e-12)
