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

from reccli.api import Context, TrainingData
from reccli.errors import ConfigError
from reccli.nn.cluster_views import audience_vectors, centred
from reccli.nn.text_parts import REST
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


def of_parts(folder: Path, **settings) -> Clusters:
    """Texts of a name and a kind: 30 items, 3 kinds; one lacks the kind."""
    data = checkerboard(users=24, items=30, held_out=2).data
    kinds = ["alpha", "beta gamma", "delta"]
    texts = [f"number {item} ({kinds[item % 3]})" if item else "number 0" for item in range(30)]
    column = [kinds[item % 3] if item else None for item in range(30)]
    objective = Clusters(Clusters.Settings(path=str(folder), **{"granularity": (3, 6), **settings}))
    objective.setup(TrainingData(data.train, item_text_I=texts, item_attributes={"kind": column}), Context(seed=1))
    return objective


@pytest.mark.parametrize("parts", [False, True])
def test_the_loss_against_loops_over_prototypes_and_views(folder: Path, parts: bool) -> None:
    objective = (of_parts if parts else ready)(folder, instance=0.7, users=0.4).double().eval()
    objective.trunk.eval()
    text = objective.row_T[:5]
    state = objective.draws.bit_generator.state
    got = objective.loss(torch.arange(5)).value_B.detach()
    objective.draws.bit_generator.state = state
    part, row = objective.parts.drawn(text, objective.draws) if parts else (np.full(5, -1), np.zeros(5))
    user = objective._drawn_users(text, objective.draws)
    with torch.no_grad():
        raw = objective.trunk(text)
        if parts:
            one = objective.trunk.encode(*objective.parts.tokens.padded(row.clip(0), torch.device("cpu")))
    assert raw.dtype == got.dtype == torch.float64
    view = [row - objective.mean_D for row in raw]
    view = [row / row.norm() for row in view]
    for b in range(5):
        scores = [math.exp(float(view[b] @ view[c]) / 0.05) for c in range(5)]
        expected = -0.7 * math.log(scores[b] / sum(scores))
        found = [("item", text[b], view[b], 0.5 if parts else 1.0), ("user", user[b], view[b], 0.4)]
        if parts:
            other = one[b] - objective.mean_PD[part[b]]
            found.append(("item", text[b], other / other.norm(), 0.5))
        for kind, code, vector, weight in found:
            for number in range(2):
                centre, spread, cluster = (
                    objective.get_buffer(f"{kind}_{what}_{number}") for what in ("centre", "spread", "cluster")
                )
                pairs = zip(centre, spread, strict=True)
                scores = [math.exp(float(vector @ middle) / float(width)) for middle, width in pairs]
                expected -= weight / 2 * math.log(scores[int(cluster[code])] / sum(scores))
        assert float(got[b]) == pytest.approx(expected, rel=1e-9)


def test_what_is_clustered_is_the_sum_of_the_parts_each_off_its_mean(folder: Path) -> None:
    objective = of_parts(folder)
    assert objective.parts.names == ("kind", REST)
    texts, source = objective.trunk.texts, objective.trunk.source
    split = [text.removesuffix(")").split(" (") for text in texts]
    name = source.vectors([one[0] for one in split])
    kind = source.vectors([one[-1] for one in split])
    has = np.array([len(one) == 2 for one in split])
    assert has.sum() == 29
    whole = source.vectors(texts)
    kept = np.zeros(30, bool)
    kept[objective.kept_T] = True
    for row in range(30):
        expected = name[row] - name[kept].mean(0)
        expected /= np.linalg.norm(expected)
        if has[row]:
            other = kind[row] - kind[kept & has].mean(0)
            expected = expected + other / np.linalg.norm(other)
        np.testing.assert_allclose(objective.text_TD[row], expected / np.linalg.norm(expected), atol=1e-5)
    objective.finish()
    expected = whole - whole[kept].mean(
        0
    )  # the whole texts have learned from their parts, and a new text has no others
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(objective.text_TD, expected, atol=1e-5)


def test_texts_of_one_part_are_clustered_with_their_audience_or_alone(folder: Path) -> None:
    alone, joined = ready(folder, views="text"), ready(folder)
    assert alone.parts is joined.parts is None
    whole = centred(alone.trunk.text_vectors(), np.ones(80, bool), alone.mean_D.numpy())
    np.testing.assert_allclose(alone.text_TD, whole, atol=1e-5)
    expected = whole + audience_vectors(whole, alone.matrix_UT, alone.known_UT)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(joined.text_TD, expected, atol=1e-5)
    assert of_parts(folder, views="audience").parts is None


def test_the_last_clusters_are_those_of_the_items_vectors(folder: Path) -> None:
    data = checkerboard(users=24, items=30, held_out=2).data
    texts = ["", *[f"number {item // 2}" for item in range(29, 0, -1)]]
    objective = Clusters(Clusters.Settings(path=str(folder), granularity=(3,)))
    objective.setup(TrainingData(data.train, item_text_I=texts), Context(seed=1))
    expected = objective.text_TD.copy()
    objective.text_TD[:] = 0
    members = objective.finish().tables["cluster_members"]
    np.testing.assert_allclose(objective.text_TD, expected, atol=1e-5)
    item = [code for kind, code in zip(members["kind"], members["code"], strict=True) if kind == "item"]
    assert item == list(range(1, 30))


def test_parts_that_texts_do_not_have_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no attribute of the items stands in their texts"):
        ready(folder, views="parts")


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
