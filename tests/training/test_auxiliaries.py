"""Auxiliary tasks in a training: their share of the loss, the log, exact resume, what is stored and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from reccli import registry
from reccli.api import Context, Similarity, TrainingData
from reccli.auxiliaries.xsimgcl import XSimGCL
from reccli.errors import ConfigError, Interrupted
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.testing import checkerboard, held_out_first
from reccli.testing.inputs import batch_of
from reccli.training.auxiliaries import Auxiliaries, build_auxiliaries, check_views, resolve_auxiliaries
from reccli.training.checkpoint import Checkpoints
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.loss_sum import build_loss
from reccli.training.mechanics import PLAIN, Mechanics
from reccli.training.model import ScoringModel
from reccli.training.resolving import resolve
from reccli.training.task import Plan

PROVIDES = frozenset({"history", "graph", "time"})
GRAPH = ["sgl", "simgcl", "xsimgcl", "ncl", "simgcl:0.3+ncl:0.2", "xsimgcl+sgl"]
HISTORY = [("history", "cl4srec:0.1"), ("history", "duorec:0.1")]
BOTH = [(encoder, "cl4srec:0.3+duorec:0.2") for encoder in ("sasrec", "recency", "item-tokens")]
FITTING = [*(("lightgcn", aux) for aux in GRAPH), *HISTORY, *BOTH]


def task_of(
    encoder: str,
    aux: str | None,
    data: TrainingData | None = None,
    *,
    loss: str = "softmax",
    mechanics: Mechanics = PLAIN,
    device: str = "cpu",
    **settings: Any,
) -> FinetuneTask:
    data = data or checkerboard(users=12, items=10, texts=False).data
    context = Context(seed=2, device=device)
    small = {"dim": 8, "start": "random", "std": 1.0}  # noise is about as long as vectors of this length bear
    built = registry.create("encoder", encoder, small)
    built.setup(data, context)
    auxiliaries = build_auxiliaries(aux, settings, data, built, context)
    criterion = build_loss(loss, {}, data.task)
    model = ScoringModel(built, criterion, Similarity("cosine"), data, mechanics, auxiliaries=auxiliaries).to(device)
    return FinetuneTask(model, None, data, None, context, batch_size=16)


@pytest.mark.parametrize(("encoder", "aux"), [("lightgcn", "ncl:0.3"), ("history", "cl4srec:0.3+duorec:2")])
def test_the_total_is_the_loss_and_the_weighted_sum_of_the_tasks(encoder: str, aux: str) -> None:
    plain, both = task_of(encoder, None), task_of(encoder, aux)
    batch = batch_of(checkerboard(users=12, items=10, texts=False).data)
    for one in (plain, both):
        one.module.eval()
        one.begin_epoch(1)
    alone, _ = plain.module.batch_loss(batch)
    total, terms = both.module.batch_loss(batch)
    expected = alone
    for piece in aux.split("+"):
        name, _, weight = piece.partition(":")
        expected = expected + float(weight) * terms[f"aux.{name}"]
        assert float(terms[f"aux.{name}"].detach()) > 0
    torch.testing.assert_close(total, expected)
    again, _ = both.module.batch_loss(batch, remember=False)
    torch.testing.assert_close(again, alone)


@pytest.mark.parametrize(("encoder", "aux"), FITTING)
@pytest.mark.parametrize("questions", [3, 5])
def test_resumed_is_bit_equal(tmp_path: Path, encoder: str, aux: str, questions: int) -> None:
    plan = Plan(epochs=3, batch_size=16, learning_rate=0.05, seed=4)
    left = [questions]

    def stop() -> int | None:
        left[0] -= 1
        return 15 if left[0] < 0 else None

    whole, parts = task_of(encoder, aux), task_of(encoder, aux)
    straight = train(whole, plan, Control())
    with pytest.raises(Interrupted):
        train(task_of(encoder, aux), plan, Control(stop=stop), Checkpoints(tmp_path))
    resumed = train(parts, plan, Control(), Checkpoints(tmp_path))
    first, second = whole.module.state_dict(), parts.module.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resumed.rows == straight.rows
    logged = {name for _, name, _ in straight.rows}
    assert logged >= {f"loss.aux.{piece.partition(':')[0]}" for piece in aux.split("+")}


def test_nothing_of_it_is_stored() -> None:
    task = task_of("lightgcn", "ncl")
    assert [name for name in task.module.state_dict() if name.startswith("auxiliaries")]
    stored = task.module.stored_state()
    assert not [name for name in stored if name.startswith("auxiliaries")]
    task_of("lightgcn", None).module.load_state_dict(stored)


@pytest.mark.parametrize(("encoder", "aux"), [("lightgcn", "simgcl:0.1"), ("lightgcn", "xsimgcl:0.01"), *HISTORY])
def test_the_known_world_is_learned_beside_it(encoder: str, aux: str) -> None:
    world = checkerboard(users=24, items=16, texts=False)
    task = task_of(encoder, aux, world.data)
    outcome = train(task, Plan(epochs=30, batch_size=16, learning_rate=0.03), Control())
    module = task.module
    assert held_out_first(module.user_vectors(world.data.train), module.item_vectors(), world) >= 0.9
    name = f"loss.aux.{aux.partition(':')[0]}"
    values = [value for _, row, value in outcome.rows if row == name]
    assert len(values) == 30


def test_contrast_spreads_vectors_out() -> None:
    """The mean cosine of pairs of items is lower with a task that tells them apart."""
    means = []
    for aux in (None, "simgcl:2"):
        task = task_of("lightgcn", aux)
        train(task, Plan(epochs=30, batch_size=64, learning_rate=0.03), Control())
        unit = torch.nn.functional.normalize(torch.from_numpy(task.module.item_vectors()), dim=1)
        means.append(float((unit @ unit.T).square().mean()))
    assert means[1] < means[0]


def test_two_tasks_that_disturb_one_walk_are_refused() -> None:
    data = checkerboard(users=12, items=10, texts=False).data
    encoder = registry.create("encoder", "lightgcn", {"dim": 8, "start": "random"})
    encoder.setup(data, Context())
    tasks = []
    for name in ("one", "other"):
        task = XSimGCL()
        task.setup(data, encoder, Context())
        tasks.append((name, task, 0.1))
    with pytest.raises(ConfigError, match="aux 'one' and 'other' both disturb the encoder's walk"):
        Auxiliaries(tasks, encoder)


def test_nothing_is_built_of_nothing() -> None:
    data = checkerboard(users=12, items=10, texts=False).data
    assert build_auxiliaries(None, {}, data, registry.create("encoder", "lightgcn"), Context()) is None


@pytest.mark.parametrize(
    ("encoder", "aux", "message", "hint"),
    [
        ("lightgcn", "cl4srec", "aux 'cl4srec' contrasts views of the history, and encoder 'lightgcn' has none", None),
        ("history", "ncl+sgl", "aux 'ncl' contrasts views of the graph, and encoder 'history' has none", "lightgcn"),
        ("ease", "simgcl", "aux 'simgcl' contrasts views of the graph, and encoder 'ease' has none", "lightgcn"),
        ("bert-cross", "duorec", "aux 'duorec' contrasts views of the history, and encoder 'bert-cross'", None),
        ("lightgcn", "simgl", "no aux called 'simgl'; did you mean 'simgcl'", None),
    ],
)
def test_what_has_no_views_is_refused_with_what_has(encoder: str, aux: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_views(FinetuneSettings(encoder=encoder, aux=aux))
    with pytest.raises(ConfigError, match=message):
        resolve(FinetuneSettings(encoder=encoder, aux=aux), "ranking", PROVIDES)
    if hint is not None:
        assert hint in caught.value.message


def test_a_recipe_says_all_weights_and_names() -> None:
    given = FinetuneSettings(
        encoder="lightgcn",
        loss="bpr",
        aux="simgcl+ncl:0.05+sgl:3",
        aux_settings={"sgl.weight": 0.2, "temperature": 0.3, "ncl": {"temperature": 0.15}},
    )
    recipe = resolve(given, "ranking", PROVIDES)
    assert recipe.run_name == "lightgcn-bpr-simgcl-ncl-sgl"
    assert [name for kind, name in recipe.components if kind == "aux"] == ["simgcl", "ncl", "sgl"]
    assert recipe.settings.aux == "simgcl+ncl+sgl"
    assert recipe.settings.aux_settings == {
        "simgcl.temperature": 0.3,
        "ncl.temperature": 0.15,
        "sgl.temperature": 0.3,
        "simgcl.weight": registry.load("aux", "simgcl").default_weight,
        "ncl.weight": 0.05,
        "sgl.weight": 0.2,
    }
    assert resolve_auxiliaries(recipe.settings) == recipe.settings  # a second time changes nothing


def test_one_run_has_one_text() -> None:
    texts = [
        FinetuneSettings(encoder="lightgcn", aux="simgcl:0.2"),
        FinetuneSettings(encoder="lightgcn", aux="simgcl", aux_settings={"weight": 0.2}),
        FinetuneSettings(encoder="lightgcn", aux="simgcl:5", aux_settings={"simgcl.weight": 0.2}),
    ]
    resolved = [resolve_auxiliaries(settings) for settings in texts]
    assert resolved[0] == resolved[1] == resolved[2]
    plain = FinetuneSettings(encoder="lightgcn")
    assert resolve_auxiliaries(plain) is plain


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aux_settings": {"noise": 0.1}}, "this run has no aux"),
        ({"aux": "simgcl", "aux_settings": {"nois": 0.1}}, "no setting of aux 'simgcl' called 'nois'"),
        ({"aux": "simgcl", "aux_settings": {"noise": -1}}, r"aux\.noise=-1: input should be greater than 0"),
        ({"aux": "simgcl:0"}, "aux simgcl: weight=0.0: expected a number above 0"),
        ({"aux": "simgcl", "aux_settings": {"weight": "x"}}, "aux.weight='x': expected a number above 0"),
        ({"aux": "simgcl++ncl"}, "has an empty name"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(FinetuneSettings(encoder="lightgcn", **values), "ranking", PROVIDES)


@pytest.mark.parametrize(
    ("encoder", "aux", "change"),
    [
        ("lightgcn", "simgcl+ncl", {"precision": "bf16"}),
        ("sasrec", "cl4srec+duorec", {"precision": "bf16"}),
        ("lightgcn", "xsimgcl", {"mechanics": Mechanics(micro_batch=8)}),
        ("history", "duorec", {"mechanics": Mechanics(micro_batch=8, dropout=0.2, dropout_samples=2)}),
        ("lightgcn", "sgl", {"task": "rating"}),
        ("history", "cl4srec+duorec", {"task": "rating"}),
        ("sasrec", "cl4srec+duorec", {"task": "rating"}),
        ("lightgcn", "xsimgcl", {"task": "ctr"}),
    ],
    ids=str,
)
def test_it_goes_with_the_rest(encoder: str, aux: str, change: dict[str, Any]) -> None:
    kind = change.get("task", "ranking")
    data = checkerboard(users=12, items=10, texts=False, task=kind).data
    loss = {"ranking": "softmax", "rating": "mse", "ctr": "bce"}[kind]
    task = task_of(encoder, aux, data, loss=loss, mechanics=change.get("mechanics", PLAIN))
    plan = Plan(epochs=2, batch_size=16, learning_rate=0.01, precision=change.get("precision", "fp32"))
    rows = train(task, plan, Control()).rows
    values = {name: value for epoch, name, value in rows if epoch == 2}
    for name in aux.split("+"):
        assert values[f"loss.aux.{name}"] > 0


@pytest.mark.gpu
@pytest.mark.parametrize(("encoder", "aux"), FITTING)
def test_values_on_cuda_are_those_on_the_cpu(encoder: str, aux: str) -> None:
    values = []
    for device in ("cpu", "cuda"):
        task = task_of(encoder, aux, device=device)
        task.module.eval()  # draws of the tasks are on the CPU everywhere, those of dropout are not
        task.begin_epoch(1)
        _, terms = task.loss(torch.arange(20))
        values.append({name: float(value.detach()) for name, value in terms.items() if name.startswith("aux.")})
    assert values[0] == pytest.approx(values[1], rel=1e-3)
