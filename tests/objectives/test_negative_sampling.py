"""The negative-sampling objective: its loss against a loop, who is drawn, and what encoders start from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from silent import Silent

from reccli.api import Context, Histories
from reccli.encoders.mf import MF
from reccli.errors import DataError
from reccli.objectives.negative_sampling import NegativeSampling, skip_gram_loss
from reccli.testing.objectives import ObjectiveConformance
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestNegativeSampling(ObjectiveConformance):
    component = "negative-sampling"
    settings = {"dim": 4}


def test_the_loss_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    centre, positive = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    negative = torch.randn(5, 4, 3, generator=generator, dtype=torch.float64)
    known = torch.rand(5, 4, generator=generator) < 0.3
    got = skip_gram_loss(centre, positive, negative, known)
    assert known.any()
    for b in range(5):
        expected = -math.log(1 / (1 + math.exp(-float(centre[b] @ positive[b]))))
        for n in range(4):
            if not known[b, n]:
                expected -= math.log(1 / (1 + math.exp(float(centre[b] @ negative[b, n]))))
        assert float(got[b]) == pytest.approx(expected, rel=1e-9)


def ready(data=None, **settings) -> NegativeSampling:
    objective = NegativeSampling(NegativeSampling.Settings(dim=8, **settings))
    objective.setup(data or checkerboard(users=24, items=40, held_out=2).data, Context(seed=1))
    return objective


def test_a_batch_is_the_item_and_the_user_against_one_context_and_the_same_draws() -> None:
    objective = ready().double()
    state = objective.draws.get_state()
    row = torch.arange(6)
    got = objective.loss(row).value_B.detach()
    objective.draws.set_state(state)
    place = objective.row_R[row]
    user, item = objective.user_E[place], objective.item_E[place]
    from reccli.nn.contexts import draw_context

    context = objective.item_E[draw_context(place, objective.offset_U1, user, 0, objective.draws)]
    random = torch.rand((6, 5), generator=objective.draws, dtype=torch.float64)
    share = np.bincount(objective.item_E, minlength=40) ** 0.75
    edges = np.cumsum(share / share.sum())
    train_ = objective.known
    for b in range(6):
        expected = 0.0
        for centre in (objective.item_ID[item[b]], objective.user_UD[user[b]]):
            expected += math.log1p(math.exp(-float((centre @ objective.context_ID[context[b]]).detach())))
            for n in range(5):
                drawn = int(np.searchsorted(edges, float(random[b, n])))
                met = train_.item_E[train_.offset_U1[user[b]] : train_.offset_U1[user[b] + 1]]
                if drawn not in met.tolist():
                    expected += math.log1p(math.exp(float((centre @ objective.context_ID[drawn]).detach())))
        assert float(got[b]) == pytest.approx(expected, rel=1e-6)


def test_training_lowers_the_held_out_loss_and_tells_tastes_apart() -> None:
    world = checkerboard(users=24, items=40, held_out=2)
    objective = ready(world.data)
    assert objective.n_rows + len(objective.held) == len(world.data.train)
    task = PretrainTask(objective, Context(seed=1), batch_size=64)
    outcome = train(task, Plan(epochs=8, batch_size=64, learning_rate=0.02, seed=3), Silent())
    assert outcome.best_value < 0.8 * outcome.first_value
    assert objective.held_out() == objective.held_out()
    found = objective.finish()
    item, user = found.item_features["negative_sampling"], found.user_features["negative_sampling_users"]
    score = user @ item.T
    same = world.taste_U[:, None] == world.taste_I[None, :]
    assert score[same].mean() > score[~same].mean() + 1


def test_encoders_start_from_it() -> None:
    world = checkerboard(users=24, items=40, held_out=2)
    objective = ready(world.data)
    found = objective.finish()
    data = replace(world.data, features={**found.item_features, **found.user_features})
    encoder, said = MF(MF.Settings(dim=8)), []
    encoder.setup(data, Context(say=said.append))
    assert said == ["tables start from the vectors of negative-sampling"]
    for table, feature in ((encoder.item_ID, "negative_sampling"), (encoder.user_UD, "negative_sampling_users")):
        start, wanted = table.detach().numpy(), data.features[feature]
        cosine = (start * wanted).sum(1) / np.linalg.norm(start, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosine.min() > 0.999


def test_items_that_nobody_has_met_are_zero_and_lonely_users_are_refused() -> None:
    train_ = Histories.from_arrays([0, 0, 0, 1, 1], [0, 1, 2, 1, 2], n_users=3, n_items=5)
    data = replace(checkerboard().data, train=train_)
    found = ready(data).finish()
    assert np.abs(found.item_features["negative_sampling"][3:]).max() == 0
    assert np.abs(found.user_features["negative_sampling_users"][2]).max() == 0
    lonely = Histories.from_arrays([0, 1], [0, 1], n_users=3, n_items=5)
    with pytest.raises(DataError, match="no user has two items"):
        ready(replace(data, train=lonely))
