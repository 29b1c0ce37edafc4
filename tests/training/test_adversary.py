"""Adversarial steps against a literal computation, exact restoring, tables that are not trained, and exact resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.api import Context, Similarity
from reccli.errors import ConfigError, Interrupted
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.finetune_parts import adversary_of
from reccli.testing import checkerboard
from reccli.training.adversary import Adversary
from reccli.training.checkpoint import Checkpoints
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel
from reccli.training.task import Plan


def task_of(
    encoder: str, mechanics: Mechanics | None = None, *, sampler: str = "uniform", rows: int = 200, **settings: Any
) -> FinetuneTask:
    data = checkerboard(users=12, items=12).data
    made = registry.create("encoder", encoder, settings)
    made.setup(data, Context(seed=2))
    loss = registry.create("loss", "infonce", {"temperature": 0.3})
    model = ScoringModel(made, loss, Similarity("cosine"), data, mechanics or Mechanics())
    drawn = registry.create("sampler", sampler, {"count": 5} if sampler == "uniform" else {})
    drawn.setup(data, Context(seed=2))
    return FinetuneTask(model, drawn, data, None, Context(seed=2), batch_size=rows)


def adversary(task: FinetuneTask, size: float = 0.5, weight: float = 2.0) -> Adversary:
    return Adversary(task.module.encoder.adversarial_tables(), task.again, size=size, weight=weight)


def test_a_step_is_the_sum_of_both_gradients() -> None:
    """Plain SGD: the move of the weights is the rate times the clean gradient plus the weighted one from afar."""
    plan = Plan(epochs=1, batch_size=200, learning_rate=0.1, optimizer="sgd")
    task = task_of("mf", dim=5, start="random")
    encoder = task.module.encoder
    start = [encoder.user_UD.detach().clone(), encoder.item_ID.detach().clone()]
    train(task, plan, Control(), None, adversary(task))

    other = task_of("mf", dim=5, start="random")
    model, tables = other.module, [other.module.encoder.user_UD, other.module.encoder.item_ID]
    clean = torch.autograd.grad(other.loss(torch.arange(len(other.item_E)))[0], tables)
    for table, gradient in zip(tables, clean, strict=True):
        for row in range(len(table)):
            if gradient[row].norm() > 0:
                table.data[row] += 0.5 * gradient[row] / gradient[row].norm()
    far = torch.autograd.grad(model.batch_loss(other._batch)[0], tables)
    for begin, first, second, now in zip(start, clean, far, (encoder.user_UD, encoder.item_ID), strict=True):
        torch.testing.assert_close(now.detach(), begin - 0.1 * (first + 2.0 * second), rtol=1e-4, atol=1e-6)


def test_the_move_makes_the_loss_worse_and_is_taken_back_exactly() -> None:
    task = task_of("history", dim=5, start="random")
    enemy = adversary(task, size=0.05)
    table = task.module.encoder.item_ID
    task.begin_epoch(1)
    loss = task.loss(torch.arange(40))[0]
    loss.backward()
    kept = table.detach().clone()
    with enemy.moved():
        moved = (table - kept).norm(dim=1)
        assert float(task.again().detach()) > float(loss.detach())
    touched = table.grad.norm(dim=1) > 0
    torch.testing.assert_close(moved[touched], torch.full_like(moved[touched], 0.05))
    assert not moved[~touched].any()
    assert torch.equal(table, kept)


@pytest.mark.parametrize("mode", ["all", "last-1", "lora"])
def test_tokens_move_also_where_they_are_not_trained(tmp_path: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    task = task_of("bert", path=str(tiny_bert(tmp_path / "tiny", dropout=0.0)), train=mode)
    enemy = adversary(task, size=1.0)
    [tokens] = enemy.tables
    before, trained = tokens.detach().clone(), tokens.requires_grad
    seen = []
    enemy.again = lambda: seen.append((tokens - before).norm(dim=1).max().detach()) or task.again()
    train(task, Plan(epochs=1, batch_size=200, learning_rate=1e-3), Control(), None, enemy)
    assert seen == [pytest.approx(1.0, rel=1e-3)]
    assert tokens.requires_grad == trained == (mode == "all")
    assert torch.equal(tokens, before) == (mode != "all")
    if mode != "all":
        assert tokens.grad is None


class StopAfter:
    left = 5

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


def test_resumed_is_bit_equal_with_memory_and_dropout(tmp_path: Path) -> None:
    plan = Plan(epochs=3, batch_size=16, learning_rate=0.05, swa=2)
    mechanics = Mechanics(memory=40, dropout=0.2, dropout_samples=3)

    def run(control: Control, checkpoints: Checkpoints | None = None) -> dict[str, torch.Tensor]:
        task = task_of("history", mechanics, rows=16, dim=5, start="random")
        train(task, plan, control, checkpoints, adversary(task))
        return task.module.state_dict()

    whole = run(Control())
    with pytest.raises(Interrupted):
        run(Control(stop=StopAfter()), Checkpoints(tmp_path))
    parts = run(Control(), Checkpoints(tmp_path))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_second_loss_leaves_no_trace_in_the_memory() -> None:
    found = []
    for enemy in (False, True):
        task = task_of("mf", Mechanics(memory=30), sampler="in-batch", rows=16, dim=5, start="random")
        plan = Plan(epochs=1, batch_size=16, learning_rate=1e-9)
        train(task, plan, Control(), None, adversary(task) if enemy else None)
        found.append(task.module.memory)
    assert int(found[0].steps) == int(found[1].steps)
    assert torch.equal(found[0].item_Q, found[1].item_Q)
    torch.testing.assert_close(found[0].vector_QD, found[1].vector_QD, rtol=1e-4, atol=1e-6)


def test_encoders_without_tables_are_refused(tmp_path: Path) -> None:
    task = task_of("bert", path=str(tiny_bert(tmp_path / "tiny")), train="head")
    with pytest.raises(ConfigError, match="encoder 'bert' trains no table"):
        adversary_of(FinetuneSettings(encoder="bert", adversarial=0.5), task)
    assert adversary_of(FinetuneSettings(encoder="bert"), task) is None
