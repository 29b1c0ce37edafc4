"""Look-up of components by name over entry points; nothing is imported until it is used.

Built-ins and third parties are registered by the same line in `pyproject.toml`. A built-in is never shadowed, two
distributions with one name are an error that names both (unless asked for as `distribution:name`), and a broken plugin
hurts only the run that uses it. `RECCLI_PLUGINS` set to a comma-separated list of distributions loads those alone
(empty: none).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import Any

from pydantic import ValidationError

from reccli.errors import ConfigError, Interrupted, PluginError, one_of

__all__ = ["KINDS", "Registered", "address", "create", "entries", "find", "load", "names", "owner_of", "settings_of"]

KINDS = {
    "reader": "reccli.readers",
    "encoder": "reccli.encoders",
    "loss": "reccli.losses",
    "sampler": "reccli.samplers",
    "objective": "reccli.objectives",
    "metric": "reccli.metrics",
    "aux": "reccli.auxiliaries",
}
BASES = {"aux": "Auxiliary"}
"""Class of a kind in `reccli.api`, where it is not the kind's own name."""
OURS = "reccli"


@dataclass(frozen=True)
class Registered:
    """One registered component, not yet imported."""

    kind: str
    name: str
    distribution: str
    version: str
    value: str
    entry_point: EntryPoint

    @property
    def builtin(self) -> bool:
        """Whether reccli itself ships it."""
        return self.distribution == OURS


@cache
def _all_entries(allowed: str | None) -> tuple[Registered, ...]:
    kinds = {group: kind for kind, group in KINDS.items()}
    wanted = None if allowed is None else {_canonical(name) for name in allowed.split(",") if name.strip()}
    found: dict[tuple[str, str, str, str], Registered] = {}
    for distribution in distributions():
        points = [point for point in distribution.entry_points if point.group in kinds]
        if not points:
            continue
        name = _canonical(distribution.metadata["Name"])
        if wanted is not None and name not in wanted and name != OURS:
            continue
        for point in points:
            # An editable install can list one entry point twice: same distribution and value is one component.
            key = (kinds[point.group], point.name, name, point.value)
            found.setdefault(key, Registered(key[0], point.name, name, distribution.version, point.value, point))
    return tuple(
        sorted(found.values(), key=lambda entry: (entry.kind, entry.name, not entry.builtin, entry.distribution))
    )


def _canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


def entries(kind: str | None = None) -> tuple[Registered, ...]:
    """All registered components of a kind (of every kind without one), built-ins first within a name."""
    registered = _all_entries(os.environ.get("RECCLI_PLUGINS"))
    return registered if kind is None else tuple(entry for entry in registered if entry.kind == kind)


def names(kind: str) -> list[str]:
    """Sorted names of a kind, without importing anything."""
    return sorted({entry.name for entry in entries(kind)})


def address(entry: Registered) -> str:
    """Return what a component is found by: its name, or `distribution:name` where another package has the same."""
    same = [other for other in entries(entry.kind) if other.name == entry.name]
    return entry.name if entry.builtin or len(same) == 1 else f"{entry.distribution}:{entry.name}"


def find(kind: str, name: str) -> Registered:
    """Return the one component of a name, or of `distribution:name`.

    Raises:
        ConfigError: There is none; the message has the nearest name and all names.
        PluginError: Two distributions register it.
    """
    distribution, _, short = name.rpartition(":")
    candidates = [entry for entry in entries(kind) if entry.name == short]
    if distribution:
        candidates = [entry for entry in candidates if entry.distribution == _canonical(distribution)]
    builtin = [entry for entry in candidates if entry.builtin]
    if builtin and not distribution:
        return builtin[0]
    if len(candidates) > 1:
        owners = " and ".join(entry.distribution for entry in candidates)
        raise PluginError(
            f"two packages register the {kind} '{short}': {owners}",
            hint=f"name one of them in full, as in '{candidates[0].distribution}:{short}'",
        )
    if not candidates:
        error = one_of(kind, name, names(kind))
        error.hint = f"reccli plugins list --kind {kind}"
        raise error
    return candidates[0]


def load(kind: str, name: str) -> type[Any]:
    """Import a component's class and check that it is one.

    Raises:
        ConfigError: The name is unknown.
        PluginError: The import fails, the attribute is missing or is not a component of this kind.
    """
    entry = find(kind, name)
    label = f"{kind} '{entry.name}' of {entry.distribution} {entry.version} ({entry.value})"
    hint = f"update or uninstall it: pip uninstall {entry.distribution}"
    try:
        loaded: Any = entry.entry_point.load()
    except Interrupted:  # a signal that came while it was imported
        raise
    except KeyboardInterrupt as error:  # a module that raises it on import is broken, not a Ctrl-C we could tell apart
        raise PluginError(f"{label} cannot be imported: KeyboardInterrupt", hint=hint) from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{label} cannot be imported: {type(error).__name__}: {error}", hint=hint) from error
    base = _base(kind)
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise PluginError(f"{label} is not a subclass of reccli.api.{base.__name__}", hint=hint)
    from reccli.api import API_VERSION

    component: type[Any] = loaded
    if component.api_version != API_VERSION:
        raise PluginError(
            f"{label} is written for plugin API {component.api_version}, this is {API_VERSION}", hint=hint
        )
    return component


def _base(kind: str) -> type[Any]:
    from reccli import api

    base: type[Any] = getattr(api, BASES.get(kind, kind.capitalize()))
    return base


def settings_of(kind: str, name: str, values: Mapping[str, Any]) -> Any:
    """Validate a component's settings.

    Raises:
        ConfigError: An unknown or wrong setting; the message names `kind.field`, the value and what is allowed.
    """
    component = load(kind, name)
    unknown = sorted(set(values) - set(component.Settings.model_fields))
    if unknown:
        error = one_of(f"setting of {kind} '{name}'", unknown[0], component.Settings.model_fields)
        error.hint = f"reccli plugins show {kind} {name}"
        raise error
    try:
        return component.Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([kind, *map(str, first["loc"][:1])])  # what follows is which of several types was tried
        allowed = [_wanted(each) for each in error.errors() if each["loc"][:1] == first["loc"][:1]]
        told = ", or ".join(f"{message[:1].lower()}{message[1:]}" for message in allowed)
        raise ConfigError(
            f"{place}={first['input']!r}: {told}",
            hint=f"reccli plugins show {kind} {name}",
        ) from None


def _wanted(error: Mapping[str, Any]) -> str:
    """Return what a setting should have been: pydantic's words, but names for a pattern of names."""
    if error["type"] != "string_pattern_mismatch":
        return str(error["msg"])
    names: str = error["ctx"]["pattern"].replace(r"[1-9]\d{0,2}", "N").strip("^$").removeprefix("(").removesuffix(")")
    return "Expected one of " + names.replace("|", ", ")


def create(kind: str, name: str, values: Mapping[str, Any] | None = None) -> Any:
    """Build a component from its name and settings."""
    return load(kind, name)(settings_of(kind, name, values or {}))


def owner_of(error: BaseException) -> Registered | None:
    """Return a component of the third-party package in whose code an error arose, the innermost one, or None."""
    homes = {entry.value.partition(":")[0].partition(".")[0]: entry for entry in entries() if not entry.builtin}
    found = None
    place = error.__traceback__
    while place is not None:
        module = str(place.tb_frame.f_globals.get("__name__", ""))
        found = homes.get(module.partition(".")[0], found)
        place = place.tb_next
    return found


def provenance(used: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Distribution and version of each (kind, name), for manifests: `{"loss:infonce": "reccli 0.1.0"}`."""
    found = {}
    for kind, name in used:
        entry = find(kind, name)
        found[f"{kind}:{entry.name}"] = f"{entry.distribution} {entry.version}"
    return found
