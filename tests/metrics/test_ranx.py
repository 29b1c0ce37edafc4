"""Ranking metrics against ranx on random runs with ties, ours broken by item code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from reccli.api import Histories
from reccli.evaluation.ranking import evaluate_ranking
from reccli.registry import create
from reccli.retrieval.topk import top_k

pytestmark = pytest.mark.slow  # numba compiles for the better part of a minute

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn on import
    ranx = pytest.importorskip("ranx")

N_USERS, N_ITEMS, KS = 25, 40, (1, 3, 10)
THEIRS = {"recall": "recall", "precision": "precision", "f1": "f1", "hit": "hit_rate", "ndcg": "ndcg", "mrr": "mrr"}


def random_run(seed):
    rng = np.random.default_rng(seed)
    user, item = (rng.integers(-1, 2, (n, 2)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    n_pairs = int(rng.integers(N_USERS, 6 * N_USERS))
    held = Histories.from_arrays(
        rng.integers(N_USERS, size=n_pairs), rng.integers(N_ITEMS, size=n_pairs), n_users=N_USERS, n_items=N_ITEMS
    )
    return user, item, held


@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:numba")
@pytest.mark.parametrize("seed", range(8))
def test_equals_ranx(seed):
    user, item, held = random_run(seed)
    item_UK, score_UK = top_k(user, item, k=max(KS))
    scores = evaluate_ranking(item_UK, held, {name: create("metric", name) for name in [*THEIRS, "map"]}, KS)
    # ranx sorts by score with ties in any order, so it is given the place of each item in the order by (score, code).
    run = {
        f"u{u:02}": {f"i{code}": float(len(item_UK[u]) - rank) for rank, code in enumerate(item_UK[u])}
        for u in scores.user_V
    }
    qrels = {f"u{u:02}": {f"i{code}": 1 for code in set(held.rows([u]).item_E.tolist())} for u in scores.user_V}
    wanted = [f"{theirs}@{k}" for theirs in [*THEIRS.values(), "map"] for k in KS]
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), wanted, return_mean=False)
    for (name, k), value_V in zip(scores.names_M, scores.value_VM.T, strict=True):
        want = np.asarray(theirs[f"{THEIRS.get(name, name)}@{k}"])
        if name == "map":  # theirs is divided by all relevant items, ours by those that k ranks can hold
            want = want * scores.n_relevant_V / np.minimum(scores.n_relevant_V, k)
        np.testing.assert_allclose(value_V, want, rtol=0, atol=1e-12, err_msg=f"{name}@{k}")
    assert len(np.unique(score_UK)) < score_UK.size / 2  # the run has ties
