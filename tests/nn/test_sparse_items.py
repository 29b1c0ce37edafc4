"""Scores are sums of the weights of a history's items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from walks import ring_walks

from reccli.api import Context, Histories, TrainingData
from reccli.errors import ConfigError
from reccli.nn.sparse_items import SparseItems, SparseItemsSettings


class Given(SparseItems):
    """Weights 1, 2 and 4."""

    class Settings(SparseItemsSettings):
        """None of its own."""

    def choose(self, data: TrainingData, context: Context) -> None:
        return None

    def weights(self, histories: Histories, chosen: None) -> csr_matrix:
        return csr_matrix(np.array([[0, 1, 0], [2, 0, 4], [0, 0, 0]], np.float32))


def test_scores_are_sums_over_histories() -> None:
    train = Histories.from_arrays([0, 0, 1], [0, 2, 1], n_users=2, n_items=3, weight_E=[1.0, 0.5, 1.0])
    encoder = Given()
    encoder.setup(TrainingData(train), Context())
    score_UI = (encoder.export_sparse_users(train) @ encoder.export_sparse_items().T).toarray()
    np.testing.assert_allclose(score_UI, [[0.0, 4.0, 0.0], [1.0, 0.0, 0.0]])
    assert tuple(encoder.export_users(train).shape) == (2, 0)
    assert tuple(encoder.items(np.arange(3)).shape) == (3, 0)


def test_a_run_that_is_opened_again_waits_for_its_weights() -> None:
    train = Histories.from_arrays([0, 0], [0, 1], n_users=1, n_items=3, time_E=[1, 2])
    data = TrainingData(train, ordered=True)
    encoder, again = Given(Given.Settings(recency=0.5)), Given(Given.Settings(recency=0.5))
    encoder.setup(data, Context())
    again.setup(data, Context(restoring=True))
    assert (again.n_items, again.export_sparse_items().nnz) == (3, 0)
    present = again.state_dict(keep_vars=True)
    for name, value in encoder.state_dict().items():
        present[name].data = value
    assert (again.export_sparse_items() != encoder.export_sparse_items()).nnz == 0
    np.testing.assert_allclose(again.export_sparse_users(train).toarray(), [[2**-0.5, 1.0, 0.0]], rtol=1e-6)


class NextOne(Given):
    """Each item speaks for the next one of 60 in a ring."""

    def weights(self, histories: Histories, chosen: None) -> csr_matrix:
        return csr_matrix(np.roll(np.eye(60, dtype=np.float32), 1, axis=0))


def test_how_fast_histories_age_is_chosen_where_there_is_an_order() -> None:
    lines: list[str] = []
    for ordered in (False, True):
        encoder = NextOne()
        encoder.setup(ring_walks(ordered=ordered), Context(say=lines.append))
        assert (float(encoder.recency) > 0) == ordered
    assert len(lines) == 1
    assert lines[0].startswith("histories age by the power ")


def test_ages_without_an_order_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.recency needs an order"):
        NextOne(NextOne.Settings(recency=0.5)).setup(ring_walks(ordered=False), Context())
