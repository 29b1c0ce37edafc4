"""The hardest of a pool, against a literal loop."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Negatives, Similarity
from reccli.testing.oracles import similarity
from reccli.training.hard_negatives import hardest


def drawn(seed=0, pool=7):
    generator = torch.Generator().manual_seed(seed)
    user_BD = torch.randn(4, 3, generator=generator, requires_grad=True)
    pool_PD = torch.randn(pool, 3, generator=generator, requires_grad=True)
    code_P = torch.randperm(50, generator=generator)[:pool]
    return user_BD, pool_PD, code_P, torch.rand(4, pool, generator=generator) < 0.3


@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
@pytest.mark.parametrize("kept", [0, 2])
def test_each_row_keeps_the_highest_scores_that_are_no_known_positives(name, kept):
    user_BD, pool_PD, code_P, known_BP = drawn()
    pool = Negatives(shared_N=code_P, hardest=3, kept=kept)
    got, vector_BND = hardest(user_BD, pool_PD, pool, Similarity(name), known_BP)
    assert got.shared_N is None
    assert got.own_BN.shape == (4, kept + 3)
    for row in range(4):
        free = [place for place in range(kept, 7) if not known_BP[row, place]]
        free.sort(key=lambda place: -float(similarity(name, user_BD[row], pool_PD[place]).detach()))
        wanted = [*range(kept), *free[:3]]
        assert got.own_BN[row, : len(wanted)].tolist() == code_P[wanted].tolist()
        torch.testing.assert_close(vector_BND[row, : len(wanted)], pool_PD[wanted])
    vector_BND.sum().backward()
    assert user_BD.grad is None
    assert float(pool_PD.grad.sum()) == pytest.approx(4 * 3 * (kept + 3))


def test_a_small_pool_gives_what_it_has():
    user_BD, pool_PD, code_P, known_BP = drawn(pool=2)
    got, _ = hardest(user_BD, pool_PD, Negatives(shared_N=code_P, hardest=5, kept=1), Similarity(), known_BP)
    assert got.own_BN.tolist() == [code_P.tolist()] * 4
