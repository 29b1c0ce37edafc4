"""From the settings of pretrain to the objectives that take part, each with its own settings, weight and batch size."""

from __future__ import annotations

from typing import Any

from reccli import registry
from reccli.errors import ConfigError
from reccli.nn.text_trunk import TrunkSettings
from reccli.settings import PretrainSettings
from reccli.training.combination import Member
from reccli.training.parts import Part, names_of, parts_of

__all__ = ["full_names", "member_settings", "resolve_members", "run_name"]

GENERAL: dict[str, Any] = {"epochs": 5, "batch_size": 256, "learning_rate": 1e-3}
OF_THE_TRUNK = frozenset(TrunkSettings.model_fields) - {"most"}
"""Settings of the one text model that combined objectives train."""


def full_names(objective: str) -> list[str]:
    """Split `mlm+simcse` into names.

    Raises:
        ConfigError: A name is empty, or comes twice.
    """
    return names_of("objective", objective)


def run_name(objective: str) -> str:
    """Return the name that a run of these objectives has by itself, as `mlm-simcse`."""
    return "-".join(name.rpartition(":")[2] for name in full_names(objective))


def resolve_members(settings: PretrainSettings) -> tuple[PretrainSettings, list[Member]]:
    """Build the objectives, and fill the gaps of the settings from what they prefer.

    `component` holds settings by name, see `parts_of`; weights may stand in the name as well, `mlm+simcse:0.5`.
    A combination makes as many epochs as the member that wants most, and each member keeps its own batch size unless
    one is given; the learning rate is that of the first trained member, the others keep their ratio to it.

    Raises:
        ConfigError: An unknown objective or setting, or settings of the text model that contradict each other.
    """
    parts = parts_of("objective", settings.objective, settings.component)
    if settings.encoder_path is not None:
        _hand_path(parts, settings)
    _share_trunk(parts)
    trained = [preferred for preferred in map(_preferred, parts) if preferred]
    update: dict[str, Any] = {}
    if trained:
        update["epochs"] = max(preferred["epochs"] for preferred in trained)
        update["learning_rate"] = trained[0]["learning_rate"]
        if len(parts) == 1:
            update["batch_size"] = trained[0]["batch_size"]
    update = {name: value for name, value in update.items() if getattr(settings, name) is None}
    if len(parts) == 1 and settings.encoder_path is not None:
        update["component"] = {**parts[0].values}
    members = [
        Member(
            part.name,
            registry.create("objective", part.component, part.values),
            weight=part.weight,
            batch_size=int(settings.batch_size or _preferred(part).get("batch_size", 1)),
            rate=_preferred(part)["learning_rate"] / trained[0]["learning_rate"] if _preferred(part) else 1.0,
            component=part.component,
        )
        for part in parts
    ]
    return settings.model_copy(update=update), members


def member_settings(members: list[Member]) -> dict[str, Any]:
    """Return all settings of the objectives, those that nobody set with their defaults of today, see `Recipe`."""
    found = {member.name: dict(member.objective.settings.model_dump(mode="json")) for member in members}
    if len(members) == 1:
        return found[members[0].name]
    return {member.name: found[member.name] | {"weight": member.weight} for member in members}


def _preferred(part: Part) -> dict[str, Any]:
    return {} if part.cls.closed_form else {**GENERAL, **part.cls.defaults}


def _hand_path(parts: list[Part], settings: PretrainSettings) -> None:
    readers = [part for part in parts if "path" in part.cls.Settings.model_fields]
    if not readers:
        raise ConfigError(
            f"--encoder-path: objective '{settings.objective}' reads no text model", hint="--objective simcse"
        )
    for part in readers:
        part.values.setdefault("path", settings.encoder_path)


def _share_trunk(parts: list[Part]) -> None:
    """Give what was set for the text model in one objective to all that train it."""
    readers = [part for part in parts if issubclass(part.cls.Settings, TrunkSettings)]
    for name in sorted(OF_THE_TRUNK):
        given = {part.name: part.values[name] for part in readers if name in part.values}
        (first, value), *others = given.items() if given else [("", None)]
        for other, different in others:
            if different != value:
                raise ConfigError(
                    f"objectives {first} and {other} train one text model: "
                    f"{first}.{name}={value!r} and {other}.{name}={different!r}",
                    hint=f"--set objective.{name}={value}",
                )
        for part in readers:
            if given:
                part.values.setdefault(name, value)
