"""Tasks as text, what the data must have for them, and the losses beside the first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.training.resolving import resolve
from reccli.training.tasks import Side, parse_tasks, task_of

EVERYTHING = frozenset({"history", "graph", "ratings"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rating", {"rating": 1.0}),
        ("rating,ranking:0.3", {"rating": 1.0, "ranking": 0.3}),
        ("ranking:2 + rating : .5", {"ranking": 2.0, "rating": 0.5}),
        ("ctr,ranking", {"ctr": 1.0, "ranking": 1.0}),
    ],
)
def test_texts(text: str, expected: dict[str, float]) -> None:
    assert parse_tasks(text) == expected
    assert list(parse_tasks(text)) == list(expected)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("rateing", "no task called 'rateing'; did you mean 'rating'"),
        ("", "no task called ''"),
        ("rating,rating", "each task once"),
        ("rating:0", "a weight above 0"),
        ("rating:x", "a weight above 0"),
        ("rating:inf", "a weight above 0"),
        ("rating,ctr", "task ctr cannot be trained beside rating"),
        ("ranking,ctr", "task ctr cannot be trained beside ranking"),
    ],
)
def test_texts_that_are_refused(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        parse_tasks(text)


def prepared(task: str, values: list[float]) -> Any:
    return SimpleNamespace(task=task, interactions=pl.DataFrame({"value": values}, schema={"value": pl.Float32}))


def test_the_data_must_have_what_the_task_predicts() -> None:
    assert task_of(None, prepared("rating", [1, 2])) == "rating"
    assert task_of("rating", prepared("ranking", [1, 2, 5])) == "rating"
    assert task_of("ranking", prepared("rating", [1, 2, 5])) == "ranking"
    assert task_of("ranking,rating", prepared("ranking", [1, 2, 5])) == "ranking"
    assert task_of("ctr", prepared("ranking", [1, 0, 1])) == "ctr"
    with pytest.raises(ConfigError, match="task rating: the values of the interactions are all the same") as caught:
        task_of("rating", prepared("ranking", [1, 1]))
    assert "prepare RATINGS --task rating" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="are all the same"):
        task_of("ranking,rating", prepared("ranking", [1, 1]))
    with pytest.raises(ConfigError, match="are not 0 and 1 alone"):
        task_of("ctr", prepared("rating", [1, 5]))


def test_the_second_loss_is_the_encoder_s_own_with_its_settings() -> None:
    recipe = resolve(FinetuneSettings(encoder="history", task="rating,ranking:0.3"), "rating", EVERYTHING, n_items=9)
    assert (recipe.settings.loss, recipe.task, recipe.settings.sampler) == ("mse", "rating", None)
    assert recipe.sides == (Side("ranking", "softmax", 0.3, {"temperature": 0.1}),)
    assert recipe.run_name == "history-mse-softmax"
    assert ("loss", "softmax") in recipe.components
    large = resolve(FinetuneSettings(encoder="history", task="rating,ranking"), "rating", EVERYTHING, n_items=10**6)
    assert large.sides[0].loss == "infonce"
    assert large.settings.sampler == "in-batch"  # the second loss draws, so the run has a sampler
    first = resolve(FinetuneSettings(encoder="mf", task="ranking,rating:2", loss="bpr"), "ranking", EVERYTHING)
    assert (first.settings.loss, first.task, first.settings.sampler) == ("bpr", "ranking", "uniform")
    assert first.sides == (Side("rating", "mse", 2.0),)
    assert resolve(FinetuneSettings(encoder="mf"), "rating", EVERYTHING).sides == ()


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"task": "rating", "loss": "infonce"}, "loss 'infonce' is for the task ranking, and the task is rating"),
        ({"task": "ranking", "loss": "mse"}, "loss 'mse'"),
        ({"task": "rating", "encoder": "spectral"}, "'spectral' is solved in closed form, and ranks"),
        ({"task": "rating,ranking", "encoder": "bert-cross"}, "no vectors that a second task could share"),
        (
            {"task": "ranking", "encoder": "tastes"},
            "^encoder 'tastes' predicts ratings, and the task is ranking; encod",
        ),
        ({"task": "ctr", "encoder": "tastes"}, "^encoder 'tastes' predicts ratings, and the task is ctr; encoders"),
        ({"task": "ranking", "encoder": "bert-cross"}, "'bert-cross' predicts ratings or clicks, and the task is rank"),
        ({"task": "ranking", "encoder": "bert-cross", "loss": "mse"}, "and the task is ranking"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], match: str) -> None:
    task = values["task"].split(",")[0]
    provides = EVERYTHING if task == "rating" else EVERYTHING - {"ratings"}
    with pytest.raises(ConfigError, match=match):
        resolve(FinetuneSettings(**values), task, provides)
