"""From the settings of pretrain to the objectives that take part, each with its own settings, weight and batch size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reccli import registry
from reccli.errors import ConfigError, one_of
from reccli.nn.text_trunk import TrunkSettings
from reccli.settings import PretrainSettings
from reccli.training.combination import Member

__all__ = ["full_names", "resolve_members", "run_name"]

GENERAL: dict[str, Any] = {"epochs": 5, "batch_size": 256, "learning_rate": 1e-3}
OF_THE_TRUNK = frozenset(TrunkSettings.model_fields) - {"most"}
"""Settings of the one text model that combined objectives train."""


@dataclass
class _Part:
    """One objective's class and what was set for it."""

    component: str
    cls: type[Any]
    values: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def name(self) -> str:
        return _plain(self.component)

    @property
    def preferred(self) -> dict[str, Any]:
        return {} if self.cls.closed_form else {**GENERAL, **self.cls.defaults}


def full_names(objective: str) -> list[str]:
    """Split `mlm+simcse` into names.

    Raises:
        ConfigError: A name is empty, or comes twice.
    """
    names = [name.strip() for name in objective.split("+")]
    plain = [_plain(name) for name in names]
    twice = next((name for number, name in enumerate(plain) if not name or name in plain[:number]), None)
    if twice is not None:
        what = f"names '{twice}' twice" if twice else "has an empty name"
        raise ConfigError(f"objective '{objective}' {what}", hint="as in --objective mlm+simcse")
    return names


def run_name(objective: str) -> str:
    """Return the name that a run of these objectives has by itself, as `mlm-simcse`."""
    return "-".join(_plain(name) for name in full_names(objective))


def resolve_members(settings: PretrainSettings) -> tuple[PretrainSettings, list[Member]]:
    """Build the objectives, and fill the gaps of the settings from what they prefer.

    `component` holds settings by name. One that begins with an objective's name and a dot is that objective's
    (`simcse.temperature`; `simcse.weight` is the factor on its loss); any other is that of every objective that has it.
    A combination makes as many epochs as the member that wants most, and each member keeps its own batch size unless
    one is given; the learning rate is that of the first trained member, the others keep their ratio to it.

    Raises:
        ConfigError: An unknown objective or setting, or settings of the text model that contradict each other.
    """
    parts = [_Part(name, registry.load("objective", name)) for name in full_names(settings.objective)]
    _distribute(parts, settings.component)
    if settings.encoder_path is not None:
        _hand_path(parts, settings)
    _share_trunk(parts)
    trained = [part.preferred for part in parts if part.preferred]
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
            batch_size=int(settings.batch_size or part.preferred.get("batch_size", 1)),
            rate=part.preferred["learning_rate"] / trained[0]["learning_rate"] if part.preferred else 1.0,
            component=part.component,
        )
        for part in parts
    ]
    return settings.model_copy(update=update), members


def _distribute(parts: list[_Part], component: Mapping[str, Any]) -> None:
    """Give every value to the objectives that it is meant for."""
    by_name = {part.name.replace("-", "_"): part for part in parts}
    for key, value in _flat(component, by_name).items():
        head, dot, rest = key.partition(".")
        if dot:
            part = by_name.get(head.replace("-", "_"))
            if part is None:
                raise one_of("objective of this run", head, [part.name for part in parts])
            if rest == "weight" and "weight" not in part.cls.Settings.model_fields:
                part.weight = _weight(part.name, value)
            else:
                part.values[rest] = value
            continue
        takers = [part for part in parts if key in part.cls.Settings.model_fields] if len(parts) > 1 else parts
        if not takers:
            known = sorted({name for part in parts for name in part.cls.Settings.model_fields})
            raise one_of(f"setting of objectives {' and '.join(part.name for part in parts)}", key, known)
        for part in takers:
            part.values.setdefault(key, value)


def _flat(component: Mapping[str, Any], by_name: Mapping[str, _Part]) -> dict[str, Any]:
    """Return `{"simcse": {"train": "all"}}`, as in a settings file, as `{"simcse.train": "all"}`; named ones first."""
    flat: dict[str, Any] = {}
    for key, value in component.items():
        if isinstance(value, Mapping) and key.replace("-", "_") in by_name:
            flat |= {f"{key}.{inner}": entry for inner, entry in value.items()}
        else:
            flat[key] = value
    return dict(sorted(flat.items(), key=lambda pair: "." not in pair[0]))


def _weight(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"objective.{name}.weight={value!r}: expected a number above 0")
    return float(value)


def _hand_path(parts: list[_Part], settings: PretrainSettings) -> None:
    readers = [part for part in parts if "path" in part.cls.Settings.model_fields]
    if not readers:
        raise ConfigError(
            f"--encoder-path: objective '{settings.objective}' reads no text model", hint="--objective simcse"
        )
    for part in readers:
        part.values.setdefault("path", settings.encoder_path)


def _share_trunk(parts: list[_Part]) -> None:
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


def _plain(name: str) -> str:
    return name.rpartition(":")[2]
