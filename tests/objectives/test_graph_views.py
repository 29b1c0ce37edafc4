"""The graph-views objective: its loss against a double loop, its two kinds of views, and what it hands on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from silent import Silent

from reccli.api import Context, Histories
from reccli.encoders.history import History
from reccli.encoders.lightgcn import LightGCN
from reccli.errors import DataError
from reccli.nn.graph_views import thinned
from reccli.nn.view_losses import view_loss
from reccli.objectives.graph_views import GraphViews
from reccli.testing.objectives import ObjectiveConformance
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestGraphViews(ObjectiveConformance):
    component = "graph-views"
    settings = {"dim": 4}


class TestNoise(ObjectiveConformance):
    component = "graph-views"
    settings = {"dim": 4, "view": "noise", "start": "random"}


def ready(data=None, **settings) -> GraphViews:
    objective = GraphViews(GraphViews.Settings(dim=8, **settings))
    objective.setup(data or checkerboard(users=24, items=40, held_out=2).data, Context(seed=1))
    return objective


def dense(objective: GraphViews, edges: Histories) -> np.ndarray:
    """Propagate over a dense matrix."""
    matrix = edges.to_scipy("weight").toarray().astype(np.float64)
    with np.errstate(divide="ignore"):
        left, right = (np.where(d > 0, d**-0.5, 0) for d in (matrix.sum(1), matrix.sum(0)))
    matrix = left[:, None] * matrix * right
    square = np.block([[np.zeros((24, 24)), matrix], [matrix.T, np.zeros((40, 40))]])
    start = np.concatenate([objective.user_UD.detach().numpy(), objective.item_ID.detach().numpy()]).astype(np.float64)
    return (start + square @ start + square @ square @ start) / 3


def test_a_row_is_its_user_among_users_and_its_item_among_items_over_two_thinned_graphs() -> None:
    objective = ready(drop=0.3)
    objective.begin_epoch(4)
    generator = Context(seed=1).numpy_generator("graph-views edges of epoch 4")
    views = [torch.from_numpy(dense(objective, thinned(objective.kept, 0.3, generator))) for _ in range(2)]
    row = torch.tensor([0, 1, 30, 31, 60])
    state = objective.draws.get_state()
    got = objective.loss(row).value_B.detach()
    objective.draws.set_state(state)
    other = torch.randint(40, (5,), generator=objective.draws)
    whole = dense(objective, objective.kept)
    whole = whole / np.linalg.norm(whole, axis=1)[:, None]
    user, item = objective.user_E[row].unique(), objective.item_E[row].unique()
    assert len(user) < 5
    of_user = view_loss(views[0][user], views[1][user], 0.2)
    of_item = view_loss(views[0][24 + item], views[1][24 + item], 0.2)
    for b, place in enumerate(row):
        own_user, own_item = int(objective.user_E[place]), int(objective.item_E[place])
        expected = 0.1 * float(of_user[user == own_user] + of_item[item == own_item])
        gap = whole[own_user] @ (whole[24 + own_item] - whole[24 + int(other[b])])
        expected += math.log1p(math.exp(-gap / 0.2))
        assert float(got[b]) == pytest.approx(expected, rel=1e-4)


def test_thinned_graphs_lack_a_share_and_differ_from_epoch_to_epoch() -> None:
    histories = checkerboard(users=24, items=40).data.train
    part = thinned(histories, 0.25, np.random.default_rng(0))
    assert len(part) / len(histories) == pytest.approx(0.75, abs=0.06)
    whole = set(zip(histories.user_E.tolist(), histories.item_E.tolist(), strict=True))
    assert set(zip(part.user_E.tolist(), part.item_E.tolist(), strict=True)) <= whole
    objective, losses = ready(), []
    state = objective.draws.get_state()
    for epoch in (1, 2, 1):
        objective.begin_epoch(epoch)
        objective.draws.set_state(state)
        losses.append(objective.loss(torch.arange(9)).value_B.detach())
    assert torch.equal(losses[0], losses[2])
    assert not torch.equal(losses[0], losses[1])


@pytest.mark.parametrize("view", ["edges", "noise"])
def test_training_tells_held_out_pairs_from_random_ones(view: str) -> None:
    world = checkerboard(users=24, items=40, held_out=2)
    objective = ready(world.data, view=view, start="random")
    task = PretrainTask(objective, Context(seed=1), batch_size=128)
    outcome = train(task, Plan(epochs=6, batch_size=128, learning_rate=0.01, seed=3), Silent())
    assert outcome.best_value < outcome.first_value
    found = objective.finish()
    item, user = found.item_features["graph_views"], found.user_features["graph_views_users"]
    score = (user / np.linalg.norm(user, axis=1)[:, None]) @ (item / np.linalg.norm(item, axis=1)[:, None]).T
    same = world.taste_U[:, None] == world.taste_I[None, :]
    assert score[same].mean() > score[~same].mean() + 0.3


def test_encoders_start_from_it_and_strangers_are_zero() -> None:
    train_ = Histories.from_arrays([0, 0, 0, 1, 1], [0, 1, 2, 1, 2], n_users=3, n_items=5)
    data = replace(checkerboard().data, train=train_)
    found = ready(data).finish()
    assert np.abs(found.item_features["graph_views"][3:]).max() == 0
    assert np.abs(found.user_features["graph_views_users"][2]).max() == 0
    world = checkerboard(users=24, items=40, held_out=2)
    found = ready(world.data).finish()
    data = replace(world.data, features={**found.item_features, **found.user_features})
    for encoder in (LightGCN(LightGCN.Settings(dim=8)), History(History.Settings(dim=8))):
        said: list[str] = []
        encoder.setup(data, Context(say=said.append))
        assert "tables start from the vectors of graph-views" in said
        start, wanted = encoder.item_ID.detach().numpy(), data.features["graph_views"]
        cosine = (start * wanted).sum(1) / np.linalg.norm(start, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosine.min() > 0.999


def test_a_graph_without_edges_is_refused() -> None:
    data = replace(checkerboard().data, train=Histories.from_arrays([], [], n_users=3, n_items=5))
    with pytest.raises(DataError, match="fewer than two interactions"):
        ready(data)
