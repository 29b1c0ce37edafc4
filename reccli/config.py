"""Where settings come from, and how every value keeps track of it.

Weakest first: defaults, `reccli.toml` (tables `[prepare]` ... `[tune]`), environment variables
`RECCLI_<STAGE>_<FIELD>`, `--set`, flags. Texts of the last three go through one parser, so that all say the same.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import ValidationError

from reccli.errors import ConfigError, one_of
from reccli.settings import (
    EvaluateSettings,
    FinetuneSettings,
    PrepareSettings,
    PretrainSettings,
    RecommendSettings,
    StageSettings,
    TuneSettings,
)

__all__ = ["STAGE_SETTINGS", "Resolved", "resolve", "set_text", "text_value"]

STAGE_SETTINGS: dict[str, type[StageSettings]] = {
    "prepare": PrepareSettings,
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
    "evaluate": EvaluateSettings,
    "recommend": RecommendSettings,
    "tune": TuneSettings,
}
COMPONENT_FIELDS = {
    "finetune": {
        "encoder": "encoder_settings",
        "loss": "loss_settings",
        "sampler": "sampler_settings",
        "aux": "aux_settings",
    },
    "pretrain": {"objective": "component"},
}
MAX_BYTES = 1 << 20
S = TypeVar("S", bound=StageSettings)


@dataclass(frozen=True)
class Resolved(Generic[S]):
    """Settings of a stage and where each value came from (`default`, a file, a variable, `--set`, `flag`)."""

    settings: S
    sources: Mapping[str, str]


def resolve(
    stage: str,
    *,
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    config: Path | None = None,
    workspace: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Resolved[Any]:
    """Combine all sources into a stage's settings.

    Args:
        stage: Stage name.
        flags: Values by field name; None means not given, texts are parsed.
        sets: `a.b=v` texts.
        config: TOML file; without one `reccli.toml` in the current folder, then in the workspace, is used.
        workspace: The workspace's folder.
        environment: Instead of the process's own.

    Raises:
        ConfigError: An unknown key, or a value that does not fit; the message names the place.
    """
    model = STAGE_SETTINGS[stage]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def put(key: str, value: Any, source: str) -> None:
        field, inner = _locate(stage, model, key, source)
        parsed = _parse(model, field, value) if isinstance(value, str) and inner is None else value
        if inner is not None:
            values.setdefault(field, {})
            values[field] = {**values[field], inner: text_value(value)}
            sources[f"{field}.{inner}"] = source
        elif isinstance(parsed, dict) and isinstance(values.get(field), dict):
            values[field] = {**values[field], **parsed}
        else:
            values[field] = parsed
        sources[field] = source

    path = _config_file(config, workspace)
    if path is not None:
        for key, value in _table(path, stage).items():
            put(key, value, str(path))
    prefix = f"RECCLI_{stage.upper()}_"
    for variable, text in sorted((os.environ if environment is None else environment).items()):
        if variable.startswith(prefix):
            put(variable.removeprefix(prefix).lower(), text, variable)
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected name=value", hint="as in --set loss.temperature=0.05")
        put(key.strip().removeprefix(f"{stage}."), value, "--set")
    for key, value in (flags or {}).items():
        if value is not None:
            put(key, value, "flag")
    try:
        settings = model(**values)
    except ValidationError as error:
        raise _explain(stage, model, error, sources) from None
    return Resolved(settings, {field: sources.get(field, "default") for field in model.model_fields} | sources)


def _locate(stage: str, model: type[StageSettings], key: str, source: str) -> tuple[str, str | None]:
    """Split a key into a field and, for a component's setting, the name inside it."""
    key = key.replace("-", "_")
    components = COMPONENT_FIELDS.get(stage, {})
    head, dot, rest = key.partition(".")
    if dot and rest and (head in components or head in components.values()):
        return components.get(head, head), rest
    if key in model.model_fields:
        return key, None
    names = [*model.model_fields, *(f"{name}.<setting>" for name in components)]
    error = one_of(f"setting of {stage}", key, names, listed=False)
    raise ConfigError(f"{source}: {error.message}", hint=f"reccli config show {stage}")


def _parse(model: type[StageSettings], field: str, text: str) -> Any:
    """Turn a text into what a field's type wants; plain types are left to pydantic."""
    annotation = model.model_fields[field].annotation
    kinds = {get_origin(part) or part for part in (annotation, *get_args(annotation))}
    if dict in kinds:
        pairs = dict(_pair(field, part) for part in text.split(",") if part.strip())
        return {key: text_value(value) for key, value in pairs.items()} if field.endswith("_settings") else pairs
    if tuple in kinds:
        parts = [part.strip() for part in text.replace(":", ",").split(",") if part.strip()]
        is_numeric = any(kind in (int, float) for kind in _leaves(annotation))
        values: list[Any] = parts
        if field == "ratios" and parts and is_numeric:
            values = _shares(field, parts)
        elif field == "core" and len(parts) == 1:
            values = parts * 2
        return values if is_numeric else [part.strip() for part in text.split(",") if part.strip()]
    return text


def _leaves(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {annotation} if not inner else set().union(*(_leaves(part) for part in inner))


def _pair(field: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{field}: '{text}' is not name=value", hint="as in view=1,cart=3")
    return key.strip(), value.strip()


def _shares(field: str, parts: list[str]) -> list[float]:
    """8:1:1 and 0.8,0.1,0.1 mean the same."""
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise ConfigError(f"{field}: '{':'.join(parts)}' is not three numbers", hint="as in 8:1:1") from None
    total = sum(numbers)
    if len(numbers) != 3 or min(numbers) < 0 or total <= 0:
        raise ConfigError(f"{field}: '{':'.join(parts)}' is not three shares", hint="as in 8:1:1")
    return [number / total for number in numbers]


def text_value(value: Any) -> Any:
    """Return what a text after `--set component.name=` stands for: a TOML value, or else the text itself."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"v = {value}")["v"]  # numbers, true and false, lists, quoted texts
    except tomllib.TOMLDecodeError:
        return value


def set_text(value: Any) -> str:
    """Return the text that `--set component.name=` takes for a value."""
    if isinstance(value, str) and text_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)  # numbers, switches, lists and quoted texts are TOML as well


def _config_file(config: Path | None, workspace: Path | None) -> Path | None:
    if config is not None:
        if not config.is_file():
            raise ConfigError(f"--config {config}: no such file")
        return config
    places = [Path("reccli.toml"), *([workspace / "reccli.toml"] if workspace is not None else [])]
    return next((place for place in places if place.is_file()), None)


def _table(path: Path, stage: str) -> dict[str, Any]:
    """Read one stage's table; all top-level names are checked, so that a misspelt table is not ignored."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES >> 20} MiB; it is no settings file")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", hint="it must be TOML with tables like [finetune]") from None
    for name, table in content.items():
        if name not in STAGE_SETTINGS:
            raise one_of(f"table in {path}", name, STAGE_SETTINGS)
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: '{name}' is not a table", hint=f"[{name}]")
    found: dict[str, Any] = {}
    for key, value in content.get(stage, {}).items():
        if isinstance(value, dict) and key in COMPONENT_FIELDS.get(stage, {}):
            # [finetune.loss] name = "infonce", temperature = 0.1
            found.update({key: value["name"]} if "name" in value else {})
            found.update({f"{key}.{inner}": setting for inner, setting in value.items() if inner != "name"})
        else:
            found[key] = value
    return found


def _explain(stage: str, model: type[StageSettings], error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    field = str(first["loc"][0])
    table = field in model.model_fields and get_origin(model.model_fields[field].annotation) is dict
    place = ".".join([stage, field, *(str(part) for part in first["loc"][1:2] if table)])  # else which type was tried
    same = [each["msg"] for each in error.errors() if (each["loc"][0], each["input"]) == (field, first["input"])]
    message = ", or ".join(dict.fromkeys(each[:1].lower() + each[1:] for each in same))
    return ConfigError(
        f"{place}={first['input']!r} ({sources.get(field, 'default')}): {message}", hint=f"reccli {stage} --help"
    )
