"""Scores are sums of the weights of a history's items."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from reccli.api import ComponentSettings, Context, Histories, TrainingData
from reccli.nn.sparse_items import SparseItems


class Given(SparseItems):
    """Weights 1, 2 and 4."""

    class Settings(ComponentSettings):
        """None."""

    def weights(self, data: TrainingData, context: Context) -> csr_matrix:
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
    train = Histories.from_arrays([0], [0], n_users=1, n_items=3)
    encoder, again = Given(), Given()
    encoder.setup(TrainingData(train), Context())
    again.setup(TrainingData(train), Context(restoring=True))
    assert (again.n_items, again.export_sparse_items().nnz) == (3, 0)
    present = again.state_dict(keep_vars=True)
    for name, value in encoder.state_dict().items():
        present[name].data = value
    assert (again.export_sparse_items() != encoder.export_sparse_items()).nnz == 0
