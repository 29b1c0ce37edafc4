"""Each in-batch negative once, weighed by how often it comes, is the same loss as with all repeats."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from reccli import registry
from reccli.api import Batch, Context, Negatives, Similarity
from reccli.losses.ccl import CCL
from reccli.losses.infonce import InfoNCE
from reccli.testing import checkerboard
from reccli.testing.inputs import batch_of
from reccli.training.loss_sum import build_loss
from reccli.training.mechanics import PLAIN, Mechanics
from reccli.training.model import ScoringModel
from reccli.training.repeats import may_count, once_each

ROWS = [0, 1, 2, 9, 10, 30, 31, 33]


def test_each_item_comes_once_by_code_with_its_count_and_probability() -> None:
    item_B = torch.tensor([7, 3, 7, 7, 1])
    log_q_N = torch.tensor([-0.7, -0.3, -0.7, -0.7, -0.1])
    row_B = torch.arange(5)
    negatives = Negatives(shared_N=item_B, log_q_N=log_q_N, in_batch=True)
    batch, count_X = once_each(Batch(row_B, row_B, item_B, torch.ones(5), torch.ones(5), negatives))
    assert batch.negatives.shared_N.tolist() == [1, 3, 7]
    assert count_X.tolist() == [1.0, 1.0, 3.0]
    torch.testing.assert_close(batch.negatives.log_q_N, torch.tensor([-0.1, -0.3, -0.7]))
    assert batch.item_B.tolist() == item_B.tolist()


@pytest.mark.parametrize(
    "negatives",
    [
        Negatives(),
        Negatives(shared_N=torch.tensor([2, 2, 1])),
        Negatives(shared_N=torch.tensor([2, 2, 1]), in_batch=True, hardest=1),
        Negatives(own_BN=torch.tensor([[2], [2], [1]])),
    ],
)
def test_other_negatives_stay_as_they_are(negatives: Negatives) -> None:
    row_B = torch.arange(3)
    batch = Batch(row_B, row_B, row_B, torch.ones(3), torch.ones(3), negatives)
    assert once_each(batch) == (batch, None)


def test_counting_is_for_losses_that_weigh_and_places_that_nothing_tells_apart() -> None:
    drawn = frozenset({"negatives"})
    infonce, ccl = (InfoNCE(), drawn), (CCL(), drawn)
    assert may_count([infonce], PLAIN)
    assert not may_count([infonce, ccl], PLAIN)
    assert may_count([infonce, (CCL(), frozenset())], PLAIN)
    assert not may_count([(InfoNCE(), frozenset()), (None, frozenset())], PLAIN)
    assert not may_count([infonce], Mechanics(memory=10))
    assert not may_count([infonce], Mechanics(dropout=0.1))


@pytest.mark.parametrize(
    ("loss", "counts"), [("infonce", True), ("infonce+directau", True), ("infonce+bpr", True), ("infonce+ccl", False)]
)
def test_a_sum_counts_where_all_of_its_losses_with_negatives_do(loss: str, counts: bool) -> None:
    assert build_loss(loss, {}, "ranking").counts_negatives is counts


def model_of(encoder: str, loss: str, similarity: str, **settings: Any) -> Any:
    data = checkerboard(texts=False).data
    built = registry.create("encoder", encoder, {"dim": 5, "start": "random"})
    built.setup(data, Context(seed=2))
    return ScoringModel(built, build_loss(loss, settings, "ranking"), Similarity(similarity), data).eval(), data


@pytest.mark.parametrize("encoder", ["mf", "history", "recency"])
@pytest.mark.parametrize("similarity", ["dot", "cosine", "euclidean"])
@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("infonce", {}),
        ("infonce", {"log_q": True, "temperature": 0.3}),
        ("infonce+directau:0.5", {"infonce.log_q": True}),
        ("bpr", {"temperature": 0.3}),
    ],
)
def test_the_loss_and_its_gradient_are_those_with_all_repeats(
    encoder: str, similarity: str, loss: str, settings: dict[str, Any]
) -> None:
    results = []
    for counting in (True, False):
        model, data = model_of(encoder, loss, similarity, **settings)
        assert model.counting
        model.counting = counting
        batch = batch_of(data, ROWS)
        item_B = batch.item_B
        assert len(torch.unique(item_B)) < len(item_B)
        log_q_N = (item_B + 1.0).log() - 6.0
        negatives = Negatives(shared_N=item_B, log_q_N=log_q_N, in_batch=True)
        batch = Batch(batch.row_B, batch.user_B, item_B, batch.value_B, batch.weight_B, negatives)
        total, _ = model.batch_loss(batch)
        total.backward()
        results.append([total.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(results[0]) == len(results[1])
    for once, each in zip(*results, strict=True):
        torch.testing.assert_close(once, each, rtol=1e-4, atol=1e-6)
