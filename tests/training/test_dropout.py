from __future__ import annotations

from typing import Any

import pytest
import torch

from reccli import registry
from reccli.api import Batch, Context, LossOutput, Negatives, Similarity
from reccli.testing import checkerboard
from reccli.training.dropout import mean_output
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel


def built(loss: str, mechanics: Mechanics, task: str = "ranking") -> Any:
    data = checkerboard(users=12, items=12, texts=False, task=task).data
    encoder = registry.create("encoder", "mf", {"dim": 50, "start": "random"})
    encoder.setup(data, Context(seed=2))
    train, rows = data.train, list(range(0, len(data.train), 3))
    columns = [torch.from_numpy(column[rows]) for column in (train.user_E, train.item_E, train.value_E, train.weight_E)]
    batch = Batch(torch.tensor(rows), *columns, Negatives(shared_N=torch.tensor([0, 3, 5])))
    return ScoringModel(encoder, registry.create("loss", loss), Similarity("dot"), data, mechanics), batch


@pytest.mark.parametrize(("loss", "task"), [("infonce", "ranking"), ("softmax", "ranking"), ("mse", "rating")])
@pytest.mark.parametrize("shared_users", [True, False])
def test_several_samples_are_the_mean_of_single_ones(loss: str, task: str, shared_users: bool) -> None:
    losses = []
    for samples, draws in ((1, 3), (3, 1)):
        model, batch = built(loss, Mechanics(dropout=0.4, dropout_samples=samples), task)
        model.encoder.one_vector_per_user = shared_users
        torch.manual_seed(0)
        each = [model.batch_loss(batch)[0].detach() for _ in range(draws)]
        assert draws == 1 or not torch.allclose(each[0], each[1])
        losses.append(torch.stack(each).mean())
    torch.testing.assert_close(losses[0], losses[1])


def test_off_by_default_and_in_evaluation() -> None:
    plain, batch = built("infonce", Mechanics())
    dropped, _ = built("infonce", Mechanics(dropout=0.4))
    assert not torch.equal(plain.batch_loss(batch)[0], dropped.batch_loss(batch)[0])
    assert torch.equal(plain.batch_loss(batch)[0], dropped.eval().batch_loss(batch)[0])


def test_the_mean_of_outputs_holds_rows_and_terms() -> None:
    outputs = [LossOutput(torch.tensor([1.0, 2.0]), {"a": torch.tensor(3.0)}),
               LossOutput(torch.tensor([3.0, 6.0]), {"a": torch.tensor(5.0)})]  # fmt: skip
    mean = mean_output(outputs)
    assert mean.value_B.tolist() == [2.0, 4.0]
    assert mean.terms["a"] == 4.0
