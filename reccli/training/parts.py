"""Several components of a kind in one run: `simcse+mlm`, `infonce+directau:0.5`, each with its weight and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reccli import registry
from reccli.errors import ConfigError, one_of

__all__ = ["Part", "all_settings", "checked_weight", "names_of", "parts_of", "split_sum", "together"]

PLURALS = {"loss": "losses", "aux": "auxiliary tasks"}
EXAMPLES = {"objective": "mlm+simcse", "loss": "infonce+directau:0.5", "aux": "simgcl:0.1+ncl:0.05"}
BESIDE = frozenset({"aux"})
"""Kinds whose weight says something of one component, too: it stands beside the loss."""


@dataclass
class Part:
    """One component's class, its weight, and what was set for it."""

    component: str
    cls: type[Any]
    values: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name without a distribution."""
        return self.component.rpartition(":")[2]

    @property
    def key(self) -> str:
        """The same as settings are named by: with underscores alone."""
        return self.name.replace("-", "_")


def split_sum(kind: str, text: str) -> list[tuple[str, float | None]]:
    """Return names (with their distributions) and weights (None where none is given) of `infonce+directau:0.5`.

    Raises:
        ConfigError: A name is empty or comes twice, or a weight is no number above 0.
    """
    found: list[tuple[str, float | None]] = []
    seen: set[str] = set()
    pieces = text.split("+")
    for piece in pieces:
        name, colon, number = piece.strip().rpartition(":")
        weight = _number(number) if colon else None
        if weight is None:
            name = piece.strip()
        elif len(pieces) == 1 and kind not in BESIDE:
            raise ConfigError(f"{kind} '{text}': a weight says something beside another {kind} alone")
        plain = name.rpartition(":")[2]
        if not plain or plain in seen:
            what = f"names '{plain}' twice" if plain else "has an empty name"
            raise ConfigError(f"{kind} '{text}' {what}", hint=f"as in --{kind} {EXAMPLES[kind]}")
        seen.add(plain)
        found.append((name, None if weight is None else checked_weight(f"{kind} {plain}: weight", weight)))
    return found


def names_of(kind: str, text: str) -> list[str]:
    """Return the names in such a text, with their distributions where they are said."""
    return [name for name, _ in split_sum(kind, text)]


def parts_of(kind: str, text: str, values: Mapping[str, Any]) -> list[Part]:
    """Load the components of a text and give each what was set for it.

    A setting whose name begins with a component's name and a dot is that one's (`simcse.temperature`; `simcse.weight`
    is the factor on its loss); any other is that of every component that has it. Without a weight it is the class's
    `default_weight`, or 1.

    Raises:
        ConfigError: An unknown component, a setting that none of them has, or a weight that is no number above 0.
    """
    parts = []
    for name, weight in split_sum(kind, text):
        cls = registry.load(kind, name)
        usual = float(getattr(cls, "default_weight", 1.0))
        parts.append(Part(name, cls, weight=usual if weight is None else weight))
    by_name = {part.key: part for part in parts}
    for key, value in _flat(values, by_name).items():
        head, dot, rest = key.partition(".")
        if key == "weight" and kind in BESIDE and len(parts) == 1:
            parts[0].weight = checked_weight(f"{kind}.weight", value)
            continue
        if not dot:
            _give_all(kind, parts, key, value)
            continue
        part = by_name.get(head.replace("-", "_"))
        if part is None:
            raise one_of(f"{kind} of this run", head, [part.name for part in parts])
        if rest == "weight" and "weight" not in part.cls.Settings.model_fields:
            part.weight = checked_weight(f"{kind}.{part.name}.weight", value)
        else:
            part.values[rest] = value
    return parts


def together(parts: Sequence[Part]) -> dict[str, Any]:
    """Return all settings of several components as `parts_of` takes them, each under its component's name.

    Every weight is among them, one of 1 too: the text may say another, and so may the class.
    """
    found: dict[str, Any] = {}
    for part in parts:
        found |= {f"{part.name}.{key}": value for key, value in part.values.items()}
        if "weight" not in part.cls.Settings.model_fields:
            found[f"{part.name}.weight"] = part.weight
    return found


def all_settings(kind: str, text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was set for the components of a text and, for all else, their defaults, as `parts_of` takes it.

    Raises:
        ConfigError: As `parts_of`, or a value that a component does not take.
    """
    parts = [
        replace(part, values=registry.settings_of(kind, part.component, part.values).model_dump(mode="json"))
        for part in parts_of(kind, text, values)
    ]
    return parts[0].values if len(parts) == 1 and kind not in BESIDE else together(parts)


def checked_weight(place: str, value: Any) -> float:
    """Return a weight.

    Raises:
        ConfigError: It is no number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{place}={value!r}: expected a number above 0")
    return float(value)


def _give_all(kind: str, parts: Sequence[Part], key: str, value: Any) -> None:
    takers = [part for part in parts if key in part.cls.Settings.model_fields] if len(parts) > 1 else parts
    if not takers:
        known = sorted({name for part in parts for name in part.cls.Settings.model_fields})
        plural = PLURALS.get(kind, f"{kind}s")
        raise one_of(f"setting of {plural} {' and '.join(part.name for part in parts)}", key, known)
    for part in takers:
        part.values.setdefault(key, value)


def _flat(values: Mapping[str, Any], by_name: Mapping[str, Part]) -> dict[str, Any]:
    """Return `{"simcse": {"train": "all"}}`, as in a settings file, as `{"simcse.train": "all"}`; named ones first."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key.replace("-", "_") in by_name:
            flat |= {f"{key}.{inner}": entry for inner, entry in value.items()}
        else:
            flat[key] = value
    return dict(sorted(flat.items(), key=lambda pair: "." not in pair[0]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
