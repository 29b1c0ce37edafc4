"""Names, weights and settings of combined objectives."""

from __future__ import annotations

import pytest

from reccli.errors import ConfigError
from reccli.settings import PretrainSettings
from reccli.training.members import full_names, member_settings, resolve_members, run_name


def resolved(objective: str, **given):
    return resolve_members(PretrainSettings(objective=objective, **given))


def test_names_of_a_combination() -> None:
    assert full_names("simcse:0.5 + spectral") == ["simcse", "spectral"]
    assert full_names("simcse + reccli:spectral") == ["simcse", "reccli:spectral"]
    assert run_name("simcse+reccli:spectral") == "simcse-spectral"
    assert run_name("spectral") == "spectral"


@pytest.mark.parametrize(("text", "why"), [("simcse++spectral", "empty"), ("simcse+reccli:simcse", "'simcse' twice")])
def test_names_that_are_none(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        full_names(text)


def test_gaps_of_a_single_objective_are_filled_from_its_preferences() -> None:
    settings, (member,) = resolved("simcse")
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (1, 64, 3e-5)
    assert (member.batch_size, member.rate, member.weight) == (64, 1.0, 1.0)
    settings, _ = resolved("spectral")
    assert (settings.epochs, settings.batch_size) == (None, None)


def test_settings_go_to_the_objective_that_they_name() -> None:
    component = {"simcse.temperature": 0.1, "simcse.weight": 0.5, "rank": 3, "simcse": {"max_length": 16}}
    settings, (simcse, spectral) = resolved("simcse+spectral", component=component)
    assert (simcse.objective.settings.temperature, simcse.objective.settings.max_length) == (0.1, 16)
    assert (simcse.weight, spectral.weight) == (0.5, 1.0)
    assert spectral.objective.settings.rank == 3
    assert (settings.epochs, settings.batch_size) == (1, None)
    _, (alone,) = resolved("simcse", component={"simcse.temperature": 0.2, "train": "all"})
    assert (alone.objective.settings.temperature, alone.objective.settings.train) == (0.2, "all")


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"simcsee.train": "all"}, "did you mean 'simcse'"),
        ({"simcse.weight": 0}, "expected a number above 0"),
        ({"simcse.rank": 3}, "no setting of objective 'simcse' called 'rank'"),
    ],
)
def test_settings_that_nobody_has_are_refused(component: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolved("simcse+spectral", component=component)


def test_a_path_goes_to_those_who_read_a_model() -> None:
    _, (_, simcse) = resolved("spectral+simcse", encoder_path="folder")
    assert simcse.objective.settings.path == "folder"
    with pytest.raises(ConfigError, match="reads no text model"):
        resolved("spectral", encoder_path="folder")


def test_weights_may_stand_in_the_name() -> None:
    _, (simcse, spectral) = resolved("simcse:0.25+spectral")
    assert (simcse.weight, spectral.weight) == (0.25, 1.0)
    assert run_name("simcse:0.25+spectral") == "simcse-spectral"


def test_all_settings_are_told_by_objective() -> None:
    _, alone = resolve_members(PretrainSettings(objective="simcse", component={"delete": 0.1}))
    told = member_settings(alone)
    assert (told["delete"], told["crop"]) == (0.1, 0.0)
    _, both = resolve_members(PretrainSettings(objective="mlm+simcse:0.5", component={"mask": 0.2}))
    told = member_settings(both)
    assert (told["mlm"]["mask"], told["mlm"]["weight"]) == (0.2, 1.0)
    assert (told["simcse"]["temperature"], told["simcse"]["weight"]) == (0.05, 0.5)
