"""Combined objectives: the weighted sum, one pass an epoch for everyone, one shared text model, exact resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from silent import Silent
from tiny_bert import tiny_bert
from torch import nn

from reccli.api import Context, LossOutput, Objective, Pretrained
from reccli.errors import PluginError
from reccli.objectives.simcse import SimCSE
from reccli.testing.worlds import checkerboard
from reccli.training.combination import CombinedTask, Member, merged
from reccli.training.loop import train
from reccli.training.task import Plan

torch.set_num_threads(1)


class Pull(Objective):
    """Bring each row's number to a target."""

    def __init__(self, rows: int, target: float) -> None:
        super().__init__()
        self.rows, self.target, self.begun = rows, target, []
        self.value_R = nn.Parameter(torch.zeros(rows))

    @property
    def n_rows(self) -> int:
        return self.rows

    def begin_epoch(self, epoch: int) -> None:
        self.begun.append(epoch)

    def loss(self, row_B: torch.Tensor) -> LossOutput:
        return LossOutput((self.value_R[row_B] - self.target) ** 2)

    def held_out(self) -> dict[str, float]:
        return {"held_out_loss": (self.value_R.detach() - self.target).square().mean().item(), "more": 1.0}


def pair() -> tuple[Pull, Pull, CombinedTask]:
    one, two = Pull(10, 1.0), Pull(9, -2.0)
    members = [Member("one", one, weight=0.5, batch_size=2), Member("two", two, weight=3.0, batch_size=4, rate=10.0)]
    return one, two, CombinedTask(members, Context(seed=1))


def test_each_epoch_passes_once_over_every_members_rows() -> None:
    _, _, task = pair()
    steps = task.batches(3)
    assert len(steps) == 5  # of 10 rows by 2
    rows = torch.cat(list(steps))
    assert sorted(rows[rows[:, 0] == 0, 1].tolist()) == list(range(10))
    kept = rows[rows[:, 0] == 1, 1].tolist()
    assert len(set(kept)) == len(kept) == 8  # a last batch of one row is left out
    assert [int((step[:, 0] == 1).sum()) for step in steps] == [4, 0, 4, 0, 0]
    assert all(torch.equal(a, b) for a, b in zip(steps, task.batches(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(steps, task.batches(4), strict=True))
    assert task.n_rows / task.batch_size == 5


def test_the_loss_is_the_weighted_sum_of_means() -> None:
    _, _, task = pair()
    total, parts = task.loss(torch.tensor([[0, 1], [0, 2], [1, 0], [1, 5], [1, 6]]))
    assert (parts["one"].item(), parts["two"].item()) == (1.0, 4.0)
    assert total.item() == 0.5 * 1.0 + 3.0 * 4.0
    only, parts = task.loss(torch.tensor([[1, 0]]))
    assert (list(parts), only.item()) == (["two"], 12.0)


def test_held_out_losses_come_by_name_and_as_a_weighted_sum() -> None:
    _, _, task = pair()
    assert task.validate() == {
        "held_out_loss": 0.5 * 1.0 + 3.0 * 4.0,
        "one.held_out_loss": 1.0,
        "one.more": 1.0,
        "two.held_out_loss": 4.0,
        "two.more": 1.0,
    }
    assert (task.metric, task.higher_is_better) == ("held_out_loss", False)


def test_members_learn_at_their_own_rates() -> None:
    one, two, task = pair()
    groups = list(task.parameter_groups())
    assert [group["lr_scale"] for group in groups] == [1.0, 10.0]
    train(task, Plan(epochs=3, batch_size=task.batch_size, learning_rate=1e-3), Silent())
    assert one.begun == [1, 2, 3]
    assert float(two.value_R.detach().abs().mean()) > 3 * float(one.value_R.detach().abs().mean()) > 0


def test_objectives_of_one_context_share_one_text_model(tmp_path: Path) -> None:
    context = replace(Context(seed=1), shared={})
    data = checkerboard(users=6, items=48).data
    members = []
    for name in ("one", "two"):
        objective = SimCSE(SimCSE.Settings(path=str(tiny_bert(tmp_path / "tiny")), train="all"))
        objective.setup(data, context)
        members.append(Member(name, objective, batch_size=16))
    task = CombinedTask(members, context)
    first, second = (member.objective for member in members)
    assert first.trunk is second.trunk
    names = list(task.module.state_dict())
    assert names
    assert all(name.startswith("one.trunk.trained.") for name in names)
    parameters = [id(p) for group in task.parameter_groups() for p in group["params"]]
    assert len(parameters) == len(set(parameters)) == len(names)
    task.module.eval()
    assert not second.trunk.source.tower.model.training
    found = merged({member.name: member.objective.finish() for member in members})
    assert list(found.item_features) == ["text"]
    alone = SimCSE(first.settings)
    alone.setup(data, replace(context, shared=None))
    assert alone.trunk is not first.trunk


def test_features_of_one_name_are_refused_and_weights_get_the_objectives_name() -> None:
    array = np.zeros((2, 1), np.float32)
    tensor = torch.zeros(1)
    one = Pretrained(item_features={"x": array}, weights={"w": tensor}, metrics={"m": 1.0})
    two = Pretrained(item_features={"x": array.copy()}, weights={"w": tensor}, metrics={"m": 2.0})
    with pytest.raises(PluginError, match="'one' and 'two' both make the item feature 'x'"):
        merged({"one": one, "two": two})
    assert merged({"one": one}) is one
    both = merged({"one": one, "two": replace(two, item_features={"y": array})})
    assert set(both.item_features) == {"x", "y"}
    with pytest.raises(PluginError, match="'two' makes the artifact 'clusters'"):
        merged({"one": Pretrained(tables={"clusters": {}}), "two": Pretrained(tables={"clusters": {}})})
    assert (set(both.weights), both.metrics) == ({"one.w", "two.w"}, {"one.m": 1.0, "two.m": 2.0})
