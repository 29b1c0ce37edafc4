"""Encoders that do not fit are refused with the reason, and with what would fit."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest

from reccli import registry
from reccli.api import Needs
from reccli.errors import ConfigError, PluginError
from reccli.settings import FinetuneSettings
from reccli.training.fitting import check_encoder, check_parts, check_settings, is_trainable, listed, misfit

PLAIN = frozenset({"history", "graph"})


def refused(name: str, task: str, provides: frozenset[str]) -> tuple[str, str | None]:
    with pytest.raises(ConfigError) as caught:
        check_encoder(name, registry.load("encoder", name), task, provides)
    return caught.value.message, caught.value.hint


def test_what_fits_passes() -> None:
    check_encoder("mf", registry.load("encoder", "mf"), "rating", PLAIN | {"ratings"})
    check_encoder("bert-cross", registry.load("encoder", "bert-cross"), "ctr", PLAIN | {"labels"})


def test_a_lack_is_the_datas() -> None:
    message, hint = refused("sasrec", "ranking", PLAIN)
    assert message.startswith("encoder 'sasrec' needs time, which the data has not; encoders that fit: ")
    fitting = message.rpartition(": ")[2].split(", ")
    assert {"mf", "popularity"} <= {*fitting}
    assert not {"sasrec", "tastes", "bert-cross"} & {*fitting}  # no time, no ratings, and nothing to rank by
    assert hint == f"--encoder {fitting[0]}"


def test_values_that_nobody_asked_for_are_the_tasks() -> None:
    message, hint = refused("tastes", "ranking", PLAIN)
    assert message.startswith("encoder 'tastes' predicts ratings, and the task is ranking; encoders that fit: ")
    assert hint is not None
    assert hint.startswith("--task rating, or --encoder ")
    message, hint = refused("bert-cross", "ranking", PLAIN)
    assert message.startswith("encoder 'bert-cross' predicts ratings or clicks, and the task is ranking; ")
    assert hint is not None
    assert hint.startswith("--task rating, or --task ctr, or --encoder ")
    message, _ = refused("tastes", "ctr", PLAIN | {"labels"})
    assert "predicts ratings, and the task is ctr" in message
    assert "popularity" not in message  # it ranks alone


def test_a_broken_plugin_is_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.load

    def load(kind: str, name: str) -> object:
        if name == "mf":
            raise PluginError("broken")
        return real(kind, name)

    monkeypatch.setattr(registry, "load", load)
    assert not is_trainable("mf")
    assert is_trainable("history")
    assert not is_trainable("popularity")
    message, _ = refused("sasrec", "ranking", PLAIN)
    assert "mf" not in message.rpartition(": ")[2].split(", ")


def given(encoder: str, **values: Any) -> FinetuneSettings:
    return FinetuneSettings(encoder=encoder, **{"similarity": "dot", **values})


@pytest.mark.parametrize(
    ("encoder", "settings", "task", "alone"),
    [
        ("mf", {}, "ranking", False),
        ("hybrid", {}, "ranking", True),
        ("hybrid", {"base": 0.0}, "ranking", False),
        ("hybrid", {}, "rating", False),
        ("spectral", {}, "ranking", False),
        ("spectral", {"one_hop": "auto"}, "ranking", True),
        *((name, {}, "ranking", True) for name in ("slim", "item-knn", "user-knn", "popularity")),
    ],
)
def test_a_similarity_that_would_change_what_lengths_mean_is_refused(
    encoder: str, settings: dict[str, Any], task: str, alone: bool
) -> None:
    check_parts(given(encoder, encoder_settings=settings), task, "cpu")
    asked = given(encoder, encoder_settings=settings, similarity="cosine")
    if not alone:
        check_parts(asked, task, "cpu")
        return
    told = f"similarity 'cosine': the vectors of encoder '{encoder}', as it is set, take dot alone"
    with pytest.raises(ConfigError, match=told) as caught:
        check_parts(asked, task, "cpu")
    assert caught.value.hint == "--similarity dot"


@pytest.mark.parametrize(
    ("encoder", "settings", "told"),
    [
        ("hybrid", {"aux": "simgcl", "encoder_settings": {"layers": 0}}, "aux 'simgcl' needs views of the graph: enc"),
        ("bert", {"aux": "cl4srec", "encoder_settings": {"user": "text"}}, "aux 'cl4srec' needs views of the history"),
        ("bert", {"adversarial": 0.1}, "adversarial: encoder 'bert', as it is set, has no table of embeddings to move"),
        ("ease", {"adversarial": 0.1}, "adversarial: encoder 'ease', as it is set, has no table of embeddings to move"),
        ("bert", {"compile": True}, "compile: encoder 'bert', as it is set, has nothing to compile"),
        ("mf", {"compile": True}, "compile: encoder 'mf', as it is set, has nothing to compile"),
        ("mf", {"loss": "softmax", "memory": 9}, "memory: loss 'softmax' uses no negatives"),
        (
            "mf",
            {"loss": "infonce+bpr", "loss_settings": {"log_q": True}, "sampler": "dynamic"},
            "loss.log_q=true: sampler 'dynamic', as it is set, does not say how likely",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_set_up(
    encoder: str, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        check_parts(given(encoder, **settings), "ranking", "cpu")
    assert caught.value.hint or "aux" in told


def test_what_can_be_done_passes() -> None:
    trained = {"encoder_settings": {"train": "last-2"}, "compile": True, "adversarial": 0.1}
    check_parts(given("bert", **trained), "ranking", "cpu")
    check_parts(given("hybrid", aux="simgcl+cl4srec"), "ranking", "cpu")
    correction = {"loss": "infonce", "loss_settings": {"log_q": True}, "memory": 9}
    check_parts(given("mf", sampler="uniform", **correction), "ranking", "cpu")
    with pytest.raises(ConfigError, match="does not say how likely"):
        check_parts(given("mf", sampler="uniform", sampler_settings={"own": 4}, **correction), "ranking", "cpu")


def test_whoever_gives_probabilities_is_named() -> None:
    asked = given("mf", loss="infonce", loss_settings={"log_q": True}, sampler="dynamic")
    with pytest.raises(ConfigError) as caught:
        check_parts(asked, "ranking", "cpu")
    hint = caught.value.hint
    assert hint is not None
    for name in registry.names("sampler"):
        gives = registry.create("sampler", name).gives_log_q
        assert (name in hint) == gives or registry.find("sampler", name).distribution != "reccli", name


TEXTS = "texts of items, which the data has not"
ORDER = "an order, and a split that hides what came later"


@pytest.mark.parametrize(
    ("encoder", "settings", "place", "needed"),
    [
        ("ease", {"words": 8}, "encoder.words=8.0", TEXTS),
        ("ease", {"recency": 0.5}, "encoder.recency=0.5", ORDER),
        ("hybrid", {"recency": 0.5}, "encoder.recency=0.5", ORDER),
        *((name, {"recency": 0.4}, "encoder.recency=0.4", ORDER) for name in ("slim", "item-knn", "spectral")),
        *((name, {"words": "yes"}, "encoder.words=yes", TEXTS) for name in ("recency", "sasrec")),
    ],
)
def test_settings_that_say_nothing_with_such_data_are_refused(
    encoder: str, settings: dict[str, Any], place: str, needed: str
) -> None:
    asked = given(encoder, encoder_settings=settings)
    with pytest.raises(ConfigError, match=re.escape(f"{place} needs {needed}")) as caught:
        check_settings(asked, PLAIN)
    remedy = "--items FILE" if needed == TEXTS else "--split temporal"
    assert caught.value.hint == f"leave it out, or: reccli prepare RATINGS {remedy}"
    check_settings(asked, PLAIN | {"text", "time"})
    check_settings(given(encoder), PLAIN)
    ids = {name: "no" if value == "yes" else 0.0 for name, value in settings.items()}
    check_settings(given(encoder, encoder_settings=ids), PLAIN)


def test_a_setting_of_one_of_several_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(registry.load("loss", "nt-xent").Settings):  # type: ignore[misc]
        audio: Annotated[int | None, Needs("audio")] = None

    monkeypatch.setattr(registry.load("loss", "nt-xent"), "Settings", Settings)
    asked = given("mf", loss="nt-xent+directau", loss_settings={"nt_xent.audio": 3})
    with pytest.raises(ConfigError, match=r"loss\.nt_xent\.audio=3 needs audio, which the data has not") as caught:
        check_settings(asked, PLAIN)
    assert caught.value.hint == "leave it out"


def test_words() -> None:
    assert listed(frozenset({"time", "history"})) == "history and time"
    error = misfit("no", "loss", [])
    assert (error.message, error.hint) == ("no; losses that fit: none", None)
