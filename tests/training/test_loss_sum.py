"""A sum of losses is the sum of what each says alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from reccli import registry
from reccli.api import Context, Negatives, Similarity
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.testing import checkerboard
from reccli.testing.inputs import batch_of
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.loss_sum import build_loss, traits_of
from reccli.training.model import ScoringModel
from reccli.training.resolving import resolve
from reccli.training.task import Plan

PROVIDES = frozenset({"history", "graph"})


def loss_of(text: str, encoder: str, **settings: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor], ScoringModel]:
    data = checkerboard(users=12, items=8, texts=False).data
    built = registry.create("encoder", encoder, {"dim": 4, "start": "random"})
    built.setup(data, Context(seed=1))
    loss = build_loss(text, settings, "ranking")
    model = ScoringModel(built, loss, Similarity("cosine"), data)
    model.eval().encoder.begin_epoch(1)
    batch = batch_of(data)
    if "negatives" in model.needs:
        count = len(batch) if loss.only_in_batch else 6
        shared_N = batch.item_B if loss.only_in_batch else torch.arange(8)[:count]
        log_q_N = torch.full((len(shared_N),), -2.0)
        batch = replace(batch, negatives=Negatives(shared_N, log_q_N=log_q_N, in_batch=loss.only_in_batch))
    total, terms = model.batch_loss(batch)
    return total, terms, model


@pytest.mark.parametrize("encoder", ["mf", "history"])
@pytest.mark.parametrize(
    "text", ["infonce+directau:0.5", "softmax:2+directau", "softmax+infonce:0.3", "bpr+ccl:0.1", "nt-xent+bsl:0.2"]
)
def test_it_is_the_weighted_sum_of_its_losses(encoder: str, text: str) -> None:
    total, terms, model = loss_of(text, encoder)
    expected = torch.zeros(())
    for piece in text.split("+"):
        name, _, weight = piece.partition(":")
        alone, *_ = loss_of(name, encoder) if "nt-xent" not in text else (terms[name],)
        torch.testing.assert_close(terms[name], alone)
        expected = expected + float(weight or 1) * alone
    torch.testing.assert_close(total, expected)
    total.backward()
    assert all(p.grad is not None for p in model.encoder.parameters() if p.requires_grad)


def test_learned_parameters_of_its_losses_are_trained() -> None:
    _, _, model = loss_of("infonce+bsl", "mf", **{"bsl.radius": 1.0})
    learned = [p for group in model.parameter_groups() for p in group["params"]]
    assert any(p is model.loss.members["bsl"].log_temperature for p in learned)


def test_needs_are_the_union() -> None:
    assert traits_of("softmax+infonce").needs_for("ranking") == {"table", "negatives"}
    assert traits_of("softmax+directau").needs_for("ranking") == {"table"}
    assert traits_of("mse+infonce").in_batch is False


def test_a_recipe_of_several_losses() -> None:
    given = FinetuneSettings(
        encoder="mf", loss="infonce+directau:0.5", loss_settings={"directau.gamma": 3.0, "infonce.weight": 2.0}
    )
    recipe = resolve(given, "ranking", PROVIDES)
    assert recipe.run_name == "mf-infonce-directau"
    assert [name for kind, name in recipe.components if kind == "loss"] == ["infonce", "directau"]
    assert recipe.settings.sampler == "in-batch"
    loss = build_loss(recipe.settings.loss, recipe.settings.loss_settings, "ranking")
    assert loss.weights == {"infonce": 2.0, "directau": 0.5}
    assert loss.members["infonce"].settings.temperature == 0.1  # what the encoder prefers
    assert loss.members["directau"].settings.gamma == 3.0


def test_a_preferred_correction_needs_a_sampler_that_gives_probabilities() -> None:
    for own, expected in ((0, True), (3, False)):
        given = FinetuneSettings(encoder="mf", loss="infonce", sampler="uniform", sampler_settings={"own": own})
        settings = resolve(given, "ranking", PROVIDES).settings.loss_settings
        assert settings.get("log_q", False) is expected


@pytest.mark.parametrize(
    ("loss", "sampler", "message"),
    [
        ("infonce+mse", None, "loss 'mse' needs ratings"),
        ("softmax+directau", "uniform", "uses no negatives"),
        ("nt-xent+bpr", "uniform", "needs the batch's own items"),
        ("infonce+directou", None, "did you mean 'directau'"),
    ],
)
def test_what_does_not_fit_is_refused(loss: str, sampler: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(FinetuneSettings(encoder="mf", loss=loss, sampler=sampler), "ranking", PROVIDES)


def test_the_log_has_a_row_for_each_term() -> None:
    data = checkerboard(users=12, items=8, texts=False).data
    encoder = registry.create("encoder", "mf", {"dim": 4, "start": "random"})
    encoder.setup(data, Context(seed=1))
    loss = build_loss("infonce+directau:0.5", {}, "ranking")
    model = ScoringModel(encoder, loss, Similarity("cosine"), data)
    sampler = registry.create("sampler", "in-batch")
    sampler.setup(data, Context())
    task = FinetuneTask(model, sampler, data, None, Context(seed=1), batch_size=16)
    rows = train(task, Plan(epochs=2, batch_size=16, learning_rate=0.01), Control()).rows
    values = {name: value for epoch, name, value in rows if epoch == 2}
    assert set(values) == {"loss", "loss.infonce", "loss.directau", "loss.directau.uniformity"}
    assert values["loss"] == pytest.approx(values["loss.infonce"] + 0.5 * values["loss.directau"], rel=1e-5)
