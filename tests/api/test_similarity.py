from __future__ import annotations

import pytest
import torch

from reccli.api import Similarity
from reccli.errors import ConfigError
from reccli.testing import oracles

NAMES = ["dot", "cosine", "euclidean"]


@pytest.fixture
def vectors():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 3, generator=generator).double(), torch.randn(7, 3, generator=generator).double()


@pytest.mark.parametrize("name", NAMES)
def test_matrix_equals_the_literal_loop(name, vectors):
    user_BD, item_ND = vectors
    got_BN = Similarity(name).matrix(user_BD, item_ND)
    expected = [[float(oracles.similarity(name, user, item)) for item in item_ND] for user in user_BD]
    torch.testing.assert_close(got_BN, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
def test_pairs_and_own_are_parts_of_the_matrix(name, vectors):
    user_BD, item_ND = vectors
    similarity = Similarity(name)
    matrix_BN = similarity.matrix(user_BD, item_ND)
    torch.testing.assert_close(similarity.pairs(user_BD, item_ND[:5]), matrix_BN.diagonal())
    pick_BN = torch.tensor([[0, 6], [1, 1], [2, 3], [4, 0], [5, 2]])
    torch.testing.assert_close(similarity.own(user_BD, item_ND[pick_BN]), matrix_BN.gather(1, pick_BN))


@pytest.mark.parametrize("name", NAMES)
def test_stored_vectors_give_it_back_as_a_dot_product(name, vectors):
    user_BD, item_ND = vectors
    similarity = Similarity(name)
    stored_BN = similarity.stored_users(user_BD) @ similarity.stored_items(item_ND).T
    whole_BN = stored_BN + similarity.user_offset_U(user_BD).unsqueeze(1)
    torch.testing.assert_close(whole_BN, similarity.matrix(user_BD, item_ND))


def test_only_euclidean_stores_one_more_dimension(vectors):
    user_BD, item_ND = vectors
    sizes = [
        (Similarity(name).stored_users(user_BD).shape[1], Similarity(name).stored_items(item_ND).shape[1])
        for name in NAMES
    ]
    assert sizes == [(3, 3), (3, 3), (4, 4)]


@pytest.mark.parametrize("name", NAMES)
def test_zero_vectors_have_finite_gradients(name):
    user_BD = torch.zeros(2, 3, requires_grad=True)
    Similarity(name).matrix(user_BD, torch.zeros(4, 3)).sum().backward()
    assert user_BD.grad.isfinite().all()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        Similarity("cosin")
