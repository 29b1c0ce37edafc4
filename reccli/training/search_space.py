"""What a search varies: parsed from texts or taken from what the components declare, checked, and put into settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError

from reccli import registry
from reccli.api.needs import needs_of
from reccli.api.search import Choices, Range, spaces_of
from reccli.errors import ConfigError, one_of
from reccli.settings import FinetuneSettings
from reccli.training.parts import Part, parts_of, split_sum
from reccli.training.resolving import Recipe

__all__ = ["Parameter", "applied", "default_values", "space_of"]

KINDS = ("encoder", "loss", "sampler", "aux")
FIXED = frozenset({
    "as_of", "aux_settings", "calibration", "checkpoint_every", "collapse", "collapse_cosine", "collapse_rank",
    "compile", "device", "encoder_path", "encoder_settings", "loss_settings", "max_time", "metric", "name", "online",
    "precision", "recipe", "refit", "sampler_settings", "seed", "task", "teacher", "threads", "train_metric",
    "validate_every",
})  # fmt: skip
"""Settings that are not searched: they say what a trial is worth, or how it is run, or are no hyper-parameters."""
FACTOR = 5.0  # how far below and above what they are by themselves the learning rate and weights are searched
DIGITS = 4
RANGE = re.compile(r"\s*(?P<low>[^:,\s]+?)\.\.(?P<high>[^:,\s]+?)\s*(?P<log>:\s*log)?\s*")
EXAMPLE = "as in --param loss.temperature=0.05..1:log or --param encoder.dim=64,128,256"


class _Weight(BaseModel):
    """The weight of one of several losses, or of an auxiliary task."""

    weight: float = Field(default=1.0, gt=0)


@dataclass(frozen=True)
class Parameter:
    """One setting that is searched.

    Args:
        name: As `--set` takes it: `learning_rate`, `loss.temperature`.
        space: Where.
        whole: Whether a range is of whole numbers.
    """

    name: str
    space: Range | Choices
    whole: bool = False

    def rounded(self, value: Any) -> Any:
        """Return a value with few enough digits to be read, inside the space."""
        if not isinstance(self.space, Range) or self.whole:
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.space.low), self.space.high)


def space_of(
    texts: Sequence[str],
    settings: FinetuneSettings,
    recipe: Recipe,
    provides: frozenset[str],
    check: Callable[[FinetuneSettings], Any],
) -> list[Parameter]:
    """Return what is searched.

    Args:
        texts: `name=low..high`, `name=low..high:log`, `name=a,b,c`, or a name alone, which is searched where its
            component declares; without any, all that the components declare, the settings leave open and the data
            has what is needed for, and the learning rate of what is trained and the weights of auxiliary tasks, by a
            factor of 5 either way.
        settings: As given, with gaps.
        recipe: The same without gaps.
        provides: What the data provides, see `TrainingData.provides`.
        check: Refuses settings that cannot be trained, by ConfigError.

    Raises:
        ConfigError: A text is no space, its setting cannot be searched or is set already, a value is refused, or there
            is nothing to search.
    """
    if texts:
        found = [_parsed(text, settings, recipe) for text in texts]
        names = [parameter.name for parameter in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"--param {twice}: it is given twice", hint=EXAMPLE)
    else:
        found = _declared(settings, recipe, provides)
        if not found:
            raise ConfigError(
                f"encoder '{settings.encoder}' declares nothing to search that is not set", hint=f"say what, {EXAMPLE}"
            )
    for parameter in found:
        space = parameter.space
        for value in space.values if isinstance(space, Choices) else (space.low, space.high):
            check(applied(settings, {parameter.name: int(value) if parameter.whole else value}))
    return found


def applied(settings: FinetuneSettings, values: Mapping[str, Any]) -> FinetuneSettings:
    """Return settings with the values of a trial.

    Raises:
        ConfigError: A value is refused.
    """
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    for name, value in values.items():
        kind, dot, inner = name.partition(".")
        if dot:
            given[f"{kind}_settings"] = {**given.get(f"{kind}_settings", {}), inner: value}
        else:
            given[name] = value
    try:
        return FinetuneSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ConfigError(f"{first['loc'][0]}={first['input']!r}: {message}", hint="reccli finetune --help") from None


def default_values(parameters: Sequence[Parameter], recipe: Recipe) -> dict[str, Any]:
    """Return what a training without any search takes for each parameter, where that lies in its space."""
    found = {}
    for parameter in parameters:
        value = _default(parameter.name, recipe)
        if parameter.space.holds(value):
            found[parameter.name] = value
    return found


def _declared(settings: FinetuneSettings, recipe: Recipe, provides: frozenset[str]) -> list[Parameter]:
    found = []
    for kind in KINDS:
        parts = _parts(kind, recipe.settings)
        for part in parts:
            idle = {field for field, need in needs_of(part.cls.Settings).items() if need.what not in provides}
            for field, space in spaces_of(part.cls.Settings).items():
                name = f"{kind}.{part.key}.{field}" if len(parts) > 1 else f"{kind}.{field}"
                if field not in idle and not _is_set(name, settings, recipe):
                    found.append(_parameter(name, space.with_value(_default(name, recipe)), part.cls.Settings, field))
            name = f"aux.{part.key}.weight"
            if kind == "aux" and not _is_set(name, settings, recipe):
                found.append(Parameter(name, Range(part.weight / FACTOR, part.weight * FACTOR, log=True)))
    rate = recipe.settings.learning_rate
    if recipe.trainable and rate is not None and not _is_set("learning_rate", settings, recipe):
        found.append(Parameter("learning_rate", Range(rate / FACTOR, rate * FACTOR, log=True)))
    return found


def _parsed(text: str, settings: FinetuneSettings, recipe: Recipe) -> Parameter:
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("finetune.").replace("-", "_")
    model, field = _place(name, recipe)
    if _is_set(name, settings, recipe):
        raise ConfigError(f"--param {name}: it is set as well, so there is nothing to search", hint="drop one of them")
    if not equals:
        space = spaces_of(model).get(field)
        if space is None:
            raise ConfigError(f"--param {name}: where to search is not declared", hint=EXAMPLE)
        return _parameter(name, space, model, field)
    found = RANGE.fullmatch(value)
    if found is None:
        return Parameter(name, _choices(name, value, model, field))
    kinds = _leaves(model.model_fields[field].annotation)
    try:
        low, high = float(found["low"]), float(found["high"])
    except ValueError:
        raise ConfigError(f"--param {text}: '{value}' is not two numbers", hint=EXAMPLE) from None
    if not kinds & {int, float}:
        raise ConfigError(f"--param {name}: it is no number, so it has no range", hint=f"--param {name}=one,other")
    whole = float not in kinds
    if not (low < high and abs(low) < float("inf") and abs(high) < float("inf")):
        raise ConfigError(f"--param {text}: the low end must be below the high end", hint=EXAMPLE)
    if found["log"] and low <= 0:
        raise ConfigError(f"--param {text}: a log range begins above 0", hint=EXAMPLE)
    if whole and (low % 1 or high % 1):
        raise ConfigError(f"--param {text}: {name} takes whole numbers", hint=f"--param {name}=2..8")
    return Parameter(name, Range(low, high, bool(found["log"])), whole)


def _place(name: str, recipe: Recipe) -> tuple[type[BaseModel], str]:
    """Return the settings class and the field of a name."""
    kind, dot, inner = name.partition(".")
    if not dot or kind not in KINDS:
        known = [field for field in FinetuneSettings.model_fields if field not in FIXED]
        if name in FIXED:
            raise ConfigError(f"--param {name}: it is not searched", hint="set it: --set " + f"{name}=...")
        if name not in known:
            raise one_of("setting of finetune to search", name, [*known, *(f"{kind}.<setting>" for kind in KINDS)])
        return FinetuneSettings, name
    parts = _parts(kind, recipe.settings)
    if not parts:
        raise ConfigError(f"--param {name}: this run has no {kind}", hint=f"--{kind} NAME")
    head, dot, rest = inner.partition(".")
    wanted = [part for part in parts if part.key == head] if dot else parts
    field = rest if dot else inner
    if dot and wanted and field == "weight" and (len(parts) > 1 or kind == "aux"):
        return _Weight, field
    holders = [part for part in wanted if field in part.cls.Settings.model_fields]
    if not holders and inner == "weight" and (len(parts) > 1 or kind == "aux"):
        example = f"--param {kind}.{parts[0].key}.weight=0.01..1:log"
        raise ConfigError(f"--param {name}: a weight is that of one component, and has its name", hint=example)
    if not holders:
        known = sorted({field for part in parts for field in part.cls.Settings.model_fields})
        raise one_of(f"setting of {kind} '{' + '.join(part.name for part in parts)}'", inner, known)
    settings: type[BaseModel] = holders[0].cls.Settings
    return settings, field


def _choices(name: str, text: str, model: type[BaseModel], field: str) -> Choices:
    from reccli.config import text_value

    values: list[Any] = []
    for part in text.split(","):
        try:
            raw = part.strip() if model is FinetuneSettings else text_value(part.strip())
            value = getattr(model.model_validate({field: raw}), field)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ConfigError(
                f"--param {name}={part.strip()}: {message[:1].lower()}{message[1:]}", hint=EXAMPLE
            ) from None
        if not isinstance(value, str | int | float | bool):
            raise ConfigError(f"--param {name}: {value!r} is no text, number or switch", hint=EXAMPLE)
        values.append(value)
    if len(values) < 2 or len(set(map(repr, values))) < len(values):
        raise ConfigError(
            f"--param {name}={text}: a search needs two different values", hint=f"one value is --set {name}={text}"
        )
    return Choices(tuple(values))


def _parameter(name: str, space: Range | Choices, model: type[BaseModel], field: str) -> Parameter:
    kinds = _leaves(model.model_fields[field].annotation)
    return Parameter(name, space, isinstance(space, Range) and float not in kinds)


def _parts(kind: str, settings: FinetuneSettings) -> list[Part]:
    name = getattr(settings, kind)
    return [] if name is None else parts_of(kind, name, getattr(settings, f"{kind}_settings"))


def _default(name: str, recipe: Recipe) -> Any:
    kind, dot, inner = name.partition(".")
    if not dot:
        return getattr(recipe.settings, name)
    head, dot, rest = inner.partition(".")
    for part in _parts(kind, recipe.settings):
        field = rest if dot and part.key == head else inner
        if field in part.cls.Settings.model_fields:
            return getattr(registry.settings_of(kind, part.component, part.values), field)
        if field == "weight" and field is not inner:
            return part.weight
    return None


def _is_set(name: str, settings: FinetuneSettings, recipe: Recipe) -> bool:
    """Return whether the settings say it: by its name, by one it shares, or by that of each part that would take it."""
    kind, dot, inner = name.partition(".")
    if not dot:
        return name in settings.model_fields_set and getattr(settings, name) is not None
    given = _given(kind, settings)
    takers = [part.key for part in _parts(kind, recipe.settings) if inner in part.cls.Settings.model_fields]
    if takers and given.issuperset(f"{key}.{inner}" for key in takers):
        return True
    return inner in given or inner.partition(".")[2] in given


def _given(kind: str, settings: FinetuneSettings) -> set[str]:
    """Return what is set for the components of a kind, named as parameters are; weights in their text are, too."""
    text = getattr(settings, kind)
    weights = [] if text is None else split_sum(kind, text)
    found = {f"{name.rpartition(':')[2]}.weight" for name, weight in weights if weight is not None}
    for key, value in getattr(settings, f"{kind}_settings").items():
        found |= {key, *(f"{key}.{inner}" for inner in (value if isinstance(value, Mapping) else ()))}
    return {name.replace("-", "_") for name in found}


def _leaves(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {annotation} if not inner else set().union(*(_leaves(part) for part in inner))
