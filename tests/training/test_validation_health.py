"""Which numbers of stored vectors are the encoder's own, and whose health is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.api import Similarity
from reccli.api.vectors import MixedVectors
from reccli.training.validation import _embeddings

STORED = np.arange(12, dtype=np.float32).reshape(2, 6)


def model(*, similarity: str = "dot", values: bool = False, joint: bool = False) -> Any:
    encoder = type("Some", (), {"joint": joint})()
    return SimpleNamespace(encoder=encoder, similarity=Similarity(similarity), values=object() if values else None)


@pytest.mark.parametrize(
    ("similarity", "values", "kept"),
    [("dot", False, 6), ("cosine", False, 6), ("euclidean", False, 5), ("dot", True, 4)],
)
def test_what_similarity_and_values_add_is_left_out(similarity: str, values: bool, kept: int) -> None:
    found = _embeddings(STORED, model(similarity=similarity, values=values))
    assert found is not None
    np.testing.assert_array_equal(found, STORED[:, :kept])


def test_vectors_that_do_not_make_the_score_are_not_measured() -> None:
    assert _embeddings(MixedVectors(STORED, csr_matrix((2, 3), dtype=np.float32)), model()) is None
    assert _embeddings(STORED, model(joint=True)) is None
