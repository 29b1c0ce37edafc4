"""Which encoders fit data and task, and the words in which those that do not are refused."""

from __future__ import annotations

from typing import Any

from reccli import registry
from reccli.api.needs import needs_of
from reccli.errors import ConfigError, PluginError
from reccli.settings import FinetuneSettings
from reccli.training.loss_sum import build_loss
from reccli.training.parts import parts_of

__all__ = ["VALUE_NEEDS", "check_encoder", "check_parts", "check_settings", "is_trainable", "listed", "misfit"]

VALUE_NEEDS = {"ratings": "rating", "labels": "ctr"}
"""Needs that the task decides about: the data may well have values, and the run not be for them."""
NAMED = {"ratings": "ratings", "labels": "clicks"}
EXTRAS = {
    "adversarial": "use one that does: --encoder history, or --encoder bert --train last-2",
    "compile": "run without --compile, or train a text model: --encoder bert --train last-2 --compile",
}
"""What may be added to a training, with what is to be done where an encoder cannot."""
LACKING = {
    "text": ("texts of items, which the data has not", "reccli prepare RATINGS --items FILE"),
    "time": ("an order, and a split that hides what came later", "reccli prepare RATINGS --split temporal"),
}
"""What the data lacks where a setting needs it, with the command that prepares data that has it."""
NOTHING = {"adversarial": "no table of embeddings to move", "compile": "nothing to compile"}


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


def check_parts(settings: FinetuneSettings, task: str, device: str) -> None:
    """Refuse what the components, as they are set, do not do together: before any of them is set up.

    Args:
        settings: Without gaps.
        task: What is trained for.
        device: Where.

    Raises:
        ConfigError: The encoder takes the dot product alone, has no views for an auxiliary task, or no table to move or
            module to compile; the loss takes no negatives from memory, or wants probabilities that the sampler has not.
    """
    encoder = registry.create("encoder", settings.encoder, settings.encoder_settings)
    if encoder.dot_alone(task) and settings.similarity != "dot":
        raise ConfigError(
            f"similarity '{settings.similarity}': the vectors of encoder '{settings.encoder}', as it is set, "
            "take dot alone",
            hint="--similarity dot",
        )
    for part in parts_of("aux", settings.aux, settings.aux_settings) if settings.aux is not None else ():
        if part.cls.views not in encoder.views:
            raise ConfigError(
                f"aux '{part.name}' needs views of the {part.cls.views}: encoder '{settings.encoder}', as it is set, "
                "has none"
            )
    for extra, hint in EXTRAS.items():
        if getattr(settings, extra) and extra not in encoder.extras(device):
            raise ConfigError(f"{extra}: encoder '{settings.encoder}', as it is set, has {NOTHING[extra]}", hint=hint)
    if settings.loss is not None:
        _check_negatives(settings, task)


def check_settings(settings: FinetuneSettings, provides: frozenset[str]) -> None:
    """Refuse settings of components that say nothing with such data: before any of them is set up.

    Args:
        settings: Without gaps.
        provides: What the data provides, see `TrainingData.provides`.

    Raises:
        ConfigError: The message names the setting, and what the data lacks.
    """
    for kind in ("encoder", "loss", "sampler", "aux"):
        name = getattr(settings, kind)
        parts = parts_of(kind, name, getattr(settings, f"{kind}_settings")) if name is not None else []
        for part in parts:
            given = registry.settings_of(kind, part.component, part.values)
            for field, need in needs_of(type(given)).items():
                value = getattr(given, field)
                if need.what in provides or value in need.unless:
                    continue
                place = f"{kind}.{part.key}.{field}" if len(parts) > 1 else f"{kind}.{field}"
                lacking, remedy = LACKING.get(need.what, (f"{need.what}, which the data has not", ""))
                raise ConfigError(
                    f"{place}={value} needs {lacking}", hint=f"leave it out{f', or: {remedy}' if remedy else ''}"
                )


def _check_negatives(settings: FinetuneSettings, task: str) -> None:
    loss = build_loss(str(settings.loss), settings.loss_settings, task)
    if settings.memory and "negatives" not in loss.needs_for(task):
        raise ConfigError(
            f"memory: loss '{settings.loss}' uses no negatives, earlier ones would be kept for nothing",
            hint="--loss infonce",
        )
    corrected = any(getattr(part.settings, "log_q", False) for part in (loss, *getattr(loss, "members", {}).values()))
    if not corrected or settings.sampler is None:
        return
    if not registry.create("sampler", settings.sampler, settings.sampler_settings).gives_log_q:
        raise ConfigError(
            f"loss.log_q=true: sampler '{settings.sampler}', as it is set, does not say how likely it proposes an item",
            hint="use --sampler popularity, uniform (shared negatives), mixed or in-batch, or --set loss.log_q=false",
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
