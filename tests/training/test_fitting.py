"""Encoders that do not fit are refused with the reason, and with what would fit."""

from __future__ import annotations

import pytest

from reccli import registry
from reccli.errors import ConfigError, PluginError
from reccli.training.fitting import check_encoder, check_similarity, is_trainable, listed, misfit

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


def test_a_similarity_that_would_change_what_lengths_mean_is_refused() -> None:
    encoder = registry.create("encoder", "mf", {})
    check_similarity(encoder, "cosine")
    encoder.dot_alone = True
    check_similarity(encoder, "dot")
    with pytest.raises(ConfigError, match="similarity 'cosine': the vectors of this encoder, as it is set, take dot"):
        check_similarity(encoder, "cosine")


def test_words() -> None:
    assert listed(frozenset({"time", "history"})) == "history and time"
    error = misfit("no", "loss", [])
    assert (error.message, error.hint) == ("no; losses that fit: none", None)
