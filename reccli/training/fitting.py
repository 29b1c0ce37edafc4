"""Which encoders fit data and task, and the words in which those that do not are refused."""

from __future__ import annotations

from typing import Any

from reccli import registry
from reccli.errors import ConfigError, PluginError

__all__ = ["VALUE_NEEDS", "check_encoder", "check_similarity", "is_trainable", "listed", "misfit"]

VALUE_NEEDS = {"ratings": "rating", "labels": "ctr"}
"""Needs that the task decides about: the data may well have values, and the run not be for them."""
NAMED = {"ratings": "ratings", "labels": "clicks"}


def check_encoder(name: str, encoder: type[Any], task: str, provides: frozenset[str]) -> None:
    """Refuse an encoder for which the data lacks something, or that predicts something else than the task is.

    Raises:
        ConfigError: The message names the encoders that fit, and the task that this one is for.
    """
    missing = encoder.needs - provides
    predicted = missing & VALUE_NEEDS.keys()
    if encoder.joint and task == "ranking":
        predicted = frozenset(VALUE_NEEDS)
    if not missing and not predicted:
        return
    fitting = [other for other in registry.names("encoder") if _fits(other, task, provides)]
    if missing - predicted:
        raise misfit(f"encoder '{name}' needs {listed(missing)}, which the data has not", "encoder", fitting)
    wanted = [need for need in VALUE_NEEDS if need in predicted]
    said = " or ".join(NAMED[need] for need in wanted)
    error = misfit(f"encoder '{name}' predicts {said}, and the task is {task}", "encoder", fitting)
    hints = [*(f"--task {VALUE_NEEDS[need]}" for need in wanted), error.hint]
    error.hint = ", or ".join(hint for hint in hints if hint)
    raise error


def check_similarity(encoder: Any, similarity: str) -> None:
    """Refuse a similarity that would change what an encoder, as it is set up, means by the lengths of its vectors.

    Raises:
        ConfigError: The encoder takes the dot product alone.
    """
    if encoder.dot_alone and similarity != "dot":
        raise ConfigError(
            f"similarity '{similarity}': the vectors of this encoder, as it is set, take dot alone",
            hint="--set similarity=dot",
        )


def is_trainable(name: str) -> bool:
    """Whether an encoder is there and has something to train."""
    component = _loaded(name)
    return component is not None and bool(component.trainable)


def misfit(message: str, kind: str, fitting: list[str]) -> ConfigError:
    """Return an error that names the components that fit."""
    listing = ", ".join(fitting) if fitting else "none"
    hint = f"--{kind} {fitting[0]}" if fitting else None
    return ConfigError(f"{message}; {kind}{'es' if kind == 'loss' else 's'} that fit: {listing}", hint=hint)


def listed(names: frozenset[str]) -> str:
    """Return names as a text."""
    return " and ".join(sorted(names))


def _fits(name: str, task: str, provides: frozenset[str]) -> bool:
    component = _loaded(name)
    if component is None or component.needs - provides:
        return False
    return not component.joint if task == "ranking" else bool(component.trainable)


def _loaded(name: str) -> Any:
    """Return an encoder's class, or None where its plugin is broken: an advice must not fail for that."""
    try:
        return registry.load("encoder", name)
    except PluginError:
        return None
