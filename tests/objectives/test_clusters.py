"""The clusters objective: its loss from its parts, when clusters are made, and the tables that it leaves."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from silent import Silent
from text_objective import TextObjectiveConformance

from reccli.api import Context
from reccli.objectives.clusters import Clusters
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestClusters(TextObjectiveConformance):
    component = "clusters"


def ready(folder: Path, **settings) -> Clusters:
    objective = Clusters(Clusters.Settings(path=str(folder), **{"granularity": (2, 6), **settings}))
    objective.setup(checkerboard(users=24, items=80, held_out=2).data, Context(seed=1))
    return objective


def test_the_loss_against_loops_over_prototypes_and_views(folder: Path) -> None:
    objective = ready(folder, instance=0.7, users=0.4).double().eval()
    objective.trunk.eval()
    text = objective.row_T[:5]
    state = objective.draws.bit_generator.state
    got = objective.loss(torch.arange(5)).value_B.detach()
    objective.draws.bit_generator.state = state
    user = objective._drawn_users(text, objective.draws)
    with torch.no_grad():
        raw = objective.trunk(text)
    assert raw.dtype == got.dtype == torch.float64
    view = [row - objective.mean_D for row in raw]
    view = [row / row.norm() for row in view]
    for b in range(5):
        scores = [math.exp(float(view[b] @ view[c]) / 0.05) for c in range(5)]
        expected = -0.7 * math.log(scores[b] / sum(scores))
        for kind, code, weight in (("item", text[b], 1.0), ("user", user[b], 0.4)):
            for number in range(2):
                centre, spread, cluster = (
                    objective.get_buffer(f"{kind}_{what}_{number}") for what in ("centre", "spread", "cluster")
                )
                pairs = zip(centre, spread, strict=True)
                scores = [math.exp(float(view[b] @ middle) / float(width)) for middle, width in pairs]
                expected -= weight / 2 * math.log(scores[int(cluster[code])] / sum(scores))
        assert float(got[b]) == pytest.approx(expected, rel=1e-9)


def test_drawn_users_have_met_the_text(folder: Path) -> None:
    objective = ready(folder)
    text = np.repeat(objective.row_T, 20)
    user = objective._drawn_users(text, np.random.default_rng(0))
    assert objective.matrix_UT[user, text].min() == 1
    assert len(set(user[text == text[0]].tolist())) > 3


def test_clusters_are_made_once_an_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objective, made = ready(folder), []
    make = objective._make
    monkeypatch.setattr(objective, "_make", lambda **given: (made.append(1), make(**given)))
    for epoch in (1, 1, 2, 2, 3):  # a run that is taken up again begins its epoch a second time
        objective.begin_epoch(epoch)
    assert len(made) == 2  # those of setup serve the first epoch
    assert int(objective.made_for) == 3


def test_training_leaves_clusters_that_people_can_read(folder: Path) -> None:
    objective = ready(folder, train="all")
    task = PretrainTask(objective, Context(seed=1), batch_size=16)
    outcome = train(task, Plan(epochs=3, batch_size=16, learning_rate=1e-3, seed=3), Silent())
    assert outcome.best_value < outcome.first_value
    assert objective.held_out() == objective.held_out()
    tables = objective.finish().tables
    clusters, members = tables["clusters"], tables["cluster_members"]
    keys = list(zip(clusters["kind"], clusters["granularity"], clusters["cluster"], strict=True))
    assert {key[:2] for key in keys} == {("item", 2), ("item", 6), ("user", 2), ("user", 6)}
    counted = Counter(zip(members["kind"], members["granularity"], members["cluster"], strict=True))
    assert dict(zip(keys, clusters["size"], strict=True)) == dict(counted)
    assert sum(size for key, size in zip(keys, clusters["size"], strict=True) if key[:2] == ("item", 6)) == 80
    taste = {
        int(code): cluster
        for kind, granularity, cluster, code in zip(*members.values(), strict=True)
        if (kind, granularity) == ("user", 2)
    }
    assert all(taste[user] == taste[user % 2] for user in range(24))
    assert taste[0] != taste[1]
