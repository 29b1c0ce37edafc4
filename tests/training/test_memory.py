"""Cross-batch memory against a literal loop, its masks and corrections, and exact resume."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Batch, Context, Negatives, Similarity
from reccli.errors import ConfigError, Interrupted
from reccli.stages.common import Control
from reccli.testing import checkerboard
from reccli.training.checkpoint import Checkpoints
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.mechanics import Mechanics
from reccli.training.memory import CrossBatchMemory
from reccli.training.model import ScoringModel
from reccli.training.task import Plan


def built(
    mechanics: Mechanics, *, encoder: str = "mf", loss: str = "infonce", data: Any = None, **settings: Any
) -> Any:
    data = data or checkerboard(users=12, items=12, texts=False).data
    made = registry.create("encoder", encoder, {"dim": 5, "start": "random"})
    made.setup(data, Context(seed=2))
    model = ScoringModel(made, registry.create("loss", loss, settings), Similarity("cosine"), data, mechanics)
    return model, data


def batch_of(data: Any, rows: list[int]) -> Batch:
    train = data.train
    columns = [torch.from_numpy(column[rows]) for column in (train.user_E, train.item_E, train.value_E, train.weight_E)]
    share_I = torch.from_numpy(data.item_count_I()).float() / len(train)
    negatives = Negatives(shared_N=columns[1], log_q_N=share_I[columns[1]].log(), in_batch=True)
    return Batch(torch.tensor(rows), *columns, negatives)


FIRST, SECOND, THIRD = [0, 13, 29, 40], [1, 14, 30, 41], [2, 15, 31, 42]


def scaled_cosine(user_D: torch.Tensor, item_D: torch.Tensor) -> torch.Tensor:
    return torch.cosine_similarity(user_D, item_D, dim=0) / 0.3


@pytest.mark.parametrize("shared_users", [True, False])
@pytest.mark.parametrize("log_q", [True, False])
def test_loss_and_gradient_equal_a_literal_loop(shared_users: bool, log_q: bool) -> None:
    model, data = built(Mechanics(memory=6), log_q=log_q, temperature=0.3)
    model.encoder.one_vector_per_user = shared_users
    queue: list[tuple[int, torch.Tensor]] = []  # newest first, as (item, vector at that time)
    likes = data.train.to_scipy("ones").toarray() > 0
    share = data.item_count_I() / len(data.train)
    for rows in (FIRST, SECOND, THIRD):
        batch = batch_of(data, rows)
        model.zero_grad()
        total, _ = model.batch_loss(batch)
        total.backward()
        got = model.encoder.item_ID.grad.clone(), model.encoder.user_UD.grad.clone()
        user_UD = model.encoder.user_UD.detach().requires_grad_(True)
        item_ID = model.encoder.item_ID.detach().requires_grad_(True)
        values = []
        for u, i in zip(batch.user_B.tolist(), batch.item_B.tolist(), strict=True):
            cosine = partial(scaled_cosine, user_UD[u])
            candidates = [(j, item_ID[j]) for j in batch.item_B.tolist()] + queue
            correction = [np.log(len(candidates) * share[j]) if log_q else 0.0 for j, _ in candidates]
            terms = [cosine(v) - c for (j, v), c in zip(candidates, correction, strict=True) if not likes[u, j]]
            values.append(torch.logsumexp(torch.stack([cosine(item_ID[i]), *terms]), 0) - cosine(item_ID[i]))
        expected = torch.stack(values).mean()
        expected.backward()
        torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(got[0], item_ID.grad, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(got[1], user_UD.grad, rtol=1e-4, atol=1e-6)
        queue = ([(j, item_ID[j].detach().clone()) for j in batch.item_B.tolist()] + queue)[:6]
        with torch.no_grad():
            model.encoder.item_ID.add_(torch.randn(12, 5, generator=torch.Generator().manual_seed(rows[0])))
    assert model.memory.item_Q.tolist() == [item for item, _ in queue]


def test_it_waits_until_vectors_have_settled() -> None:
    model, data = built(Mechanics(memory=8, memory_after=2))
    plain, _ = built(Mechanics())
    for rows, same in ((FIRST, True), (SECOND, True), (THIRD, False)):
        first, second = model.batch_loss(batch_of(data, rows))[0], plain.batch_loss(batch_of(data, rows))[0]
        assert torch.equal(first, second) == same


def test_a_large_batch_fills_it_with_its_last_rows() -> None:
    _, data = built(Mechanics())
    memory = CrossBatchMemory(3, 0, data)
    memory.take(torch.tensor([5, 6]), torch.tensor([[5.0], [6.0]]))
    assert len(memory) == 2
    memory.take(torch.tensor([1, 2, 3, 4]), torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    assert memory.item_Q.tolist() == [2, 3, 4]
    assert memory.vector_QD.tolist() == [[2.0], [3.0], [4.0]]
    memory.take(torch.tensor([7]), torch.tensor([[7.0]]))
    assert memory.item_Q.tolist() == [7, 2, 3]
    assert len(memory) == 3


def test_the_same_text_in_the_queue_is_no_negative() -> None:
    data = checkerboard(users=12, items=12).data
    train = data.train
    user, item = int(train.user_E[0]), int(train.item_E[0])
    unknown = sorted(set(range(12)) - set(train.rows([user]).item_E.tolist()))
    texts = list(data.item_text_I)
    texts[unknown[0]] = f"  {texts[item].upper()}"
    data = replace(data, item_text_I=texts)
    for mask_twins, counted in ((True, 1), (False, 2)):
        model, _ = built(Mechanics(memory=4, mask_twins=mask_twins), data=data, temperature=1.0)
        zero = torch.zeros(2, 5)  # a cosine of 0 with everyone
        model.memory.take(torch.tensor(unknown[:2]), zero)
        batch = batch_of(data, [0])
        total, _ = model.batch_loss(batch)
        positive = torch.cosine_similarity(model.encoder.user_UD[user], model.encoder.item_ID[item], dim=0).detach()
        assert float(total.detach()) == pytest.approx(float(torch.log(positive.exp() + counted) - positive), rel=1e-4)


def finetune_task() -> FinetuneTask:
    model, data = built(Mechanics(memory=20, memory_after=3), encoder="history", log_q=True)
    sampler = registry.create("sampler", "in-batch")
    sampler.setup(data, Context(seed=2))
    return FinetuneTask(model, sampler, data, None, Context(seed=2), batch_size=8)


class StopAfter:
    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


@pytest.mark.parametrize("questions", [2, 7])
def test_resumed_is_bit_equal(tmp_path: Path, questions: int) -> None:
    plan = Plan(epochs=3, batch_size=8, learning_rate=0.05)
    whole, parts = finetune_task(), finetune_task()
    train(whole, plan, Control())
    with pytest.raises(Interrupted):
        train(finetune_task(), plan, Control(stop=StopAfter(questions)), Checkpoints(tmp_path))
    train(parts, plan, Control(), Checkpoints(tmp_path))
    first, second = whole.module.state_dict(), parts.module.state_dict()
    assert first.keys() == second.keys()
    assert len(whole.module.memory) == 20
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(name.startswith("memory.") for name in whole.module.stored_state())


def test_it_learns_a_known_world_with_uniform_negatives_too() -> None:
    from reccli.testing import held_out_first

    world = checkerboard(users=24, items=16, texts=False)
    model, data = built(Mechanics(memory=64), data=world.data, log_q=True)
    sampler = registry.create("sampler", "uniform", {"count": 4})
    sampler.setup(data, Context(seed=2))
    task = FinetuneTask(model, sampler, data, None, Context(seed=2), batch_size=32)
    train(task, Plan(epochs=40, batch_size=32, learning_rate=0.03), Control())
    assert held_out_first(model.user_vectors(data.train), model.item_vectors(), world) >= 0.9


def test_what_cannot_use_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="uses no negatives"):
        built(Mechanics(memory=4), loss="softmax")
    model, data = built(Mechanics(memory=4))
    batch = replace(batch_of(data, FIRST), negatives=Negatives(own_BN=torch.zeros(4, 2, dtype=torch.int64)))
    with pytest.raises(ConfigError, match="each row's own"):
        model.batch_loss(batch)
