from __future__ import annotations

from typing import Any

import pytest

from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.training.resolving import SMALL, Recipe, resolve

ALL = frozenset({"history", "graph"})


def recipe(*, provides: frozenset[str] = ALL, task: str = "ranking", n_items: int = 100, **values: Any) -> Recipe:
    return resolve(FinetuneSettings(**values), task, provides, n_items=n_items)


def test_the_catalogue_and_the_order_decide_the_loss() -> None:
    small, large = recipe(), recipe(n_items=SMALL + 1)
    assert (small.settings.loss, small.settings.sampler) == ("softmax", None)
    assert (large.settings.loss, large.settings.sampler) == ("infonce", "in-batch")
    ordered = recipe(provides=ALL | {"time"})
    assert (ordered.settings.loss, ordered.settings.sampler) == ("infonce", "uniform")
    assert ordered.settings.sampler_settings == {"count": 2048}


@pytest.mark.parametrize(("task", "loss", "metric"), [("rating", "mse", "rmse"), ("ctr", "bce", "log-loss")])
def test_values_have_their_own_loss_and_metric(task: str, loss: str, metric: str) -> None:
    provides = ALL | {"ratings" if task == "rating" else "labels"}
    found = recipe(encoder="mf", task=task, provides=provides)
    assert (found.settings.loss, found.settings.metric, found.task) == (loss, metric, task)
    ranked = recipe(encoder="mf", task=task, provides=provides, loss="bpr")
    assert (ranked.settings.metric, ranked.task) == ("ndcg@10", "ranking")


def test_what_is_given_wins_and_is_no_default() -> None:
    found = recipe(encoder="mf", loss="infonce", epochs=3, loss_settings={"temperature": 0.7})
    assert found.settings.epochs == 3
    assert found.settings.loss_settings["temperature"] == 0.7
    assert not {"epochs", "loss", "loss.temperature"} & set(found.chosen)
    assert found.chosen["similarity"] == "cosine"


@pytest.mark.parametrize("encoder", ["mf", "lightgcn"])
def test_a_loss_may_prefer_other_negatives_than_the_batch_s_own(encoder: str) -> None:
    found = recipe(encoder=encoder, loss="bpr")
    assert (found.settings.sampler, found.settings.sampler_settings) == ("uniform", {"own": 4})
    assert (found.chosen["sampler"], found.chosen["sampler.own"]) == ("uniform", 4)
    assert recipe(encoder=encoder, loss="infonce").settings.sampler == "in-batch"
    assert recipe(encoder=encoder, loss="infonce+bpr").settings.sampler == "in-batch"


def test_what_is_said_of_negatives_wins_over_what_a_loss_prefers() -> None:
    assert recipe(encoder="mf", loss="bpr", sampler="in-batch").settings.sampler == "in-batch"
    shared = recipe(encoder="mf", loss="bpr", sampler="uniform")
    assert (shared.settings.sampler, shared.settings.sampler_settings) == ("uniform", {})
    single = recipe(encoder="mf", loss="bpr", sampler_settings={"own": 1})
    assert (single.settings.sampler, single.settings.sampler_settings) == ("uniform", {"own": 1})
    # A memory holds negatives that all rows share.
    assert recipe(encoder="mf", loss="bpr", memory=64).settings.sampler == "in-batch"
    # An encoder that prefers draws has its own.
    ordered = recipe(encoder="history", loss="bpr", provides=ALL | {"time"})
    assert (ordered.settings.sampler, ordered.settings.sampler_settings) == ("uniform", {"count": 2048})


def test_a_preferred_temperature_is_for_the_preferred_similarity() -> None:
    assert "temperature" in recipe(encoder="mf", loss="bpr").settings.loss_settings
    assert "temperature" not in recipe(encoder="mf", loss="bpr", similarity="dot").settings.loss_settings


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "history-softmax"),
        ({"encoder": "mf", "loss": "bpr"}, "mf-bpr"),
        ({"encoder": "spectral"}, "spectral"),
        ({"encoder": "reccli:mf", "loss": "bpr", "refit": True}, "mf-bpr-refit"),
        ({"name": "mine", "refit": True}, "mine-refit"),
    ],
)
def test_run_names(values: dict[str, Any], name: str) -> None:
    assert recipe(**values).run_name == name


def test_one_mean_of_weights_at_a_time() -> None:
    provides = frozenset({"history", "graph"})
    with pytest.raises(ConfigError, match="choose one"):
        resolve(FinetuneSettings(encoder="mf", swa=5, average=0.9), "ranking", provides)
    recipe = resolve(FinetuneSettings(encoder="mf", swa=5), "ranking", provides)
    assert recipe.settings.average == 0.0
    assert "average" not in recipe.chosen


def test_determinants_have_the_defaults_of_all_components() -> None:
    both = FinetuneSettings(encoder="mf", task="rating,ranking:0.3")
    found = resolve(both, "rating", ALL | {"ratings"}, n_items=100).determinants()
    assert found["encoder_settings"]["std"] == 0.1
    assert set(found["side_settings"]) == {"ranking"}
    plain = recipe(encoder="mf", loss="infonce", aux=None).determinants()
    assert "side_settings" not in plain
    assert "log_q" in plain["loss_settings"]
    assert plain["sampler_settings"] == {}
    assert plain == recipe(encoder="mf", loss="infonce", encoder_settings={"std": 0.1}).determinants()
