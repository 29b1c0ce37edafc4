"""How an encoder comes by its text model: what is set, what a run depends on, and the model opened."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field

from reccli.api.component import ComponentSettings, Context
from reccli.nn.text_folder import PRETRAINED, find_model, model_determinants
from reccli.nn.text_source import TextSource
from reccli.nn.text_usage import TextUsage, usage_of

__all__ = ["TextReading", "model_start", "open_reading", "reading_determinants"]


class TextReading(ComponentSettings):
    """Settings of encoders that turn texts into vectors by a model."""

    path: str = ""
    """Folder of the text model, or a hub name with `--online`; pretrained or the offline default without one."""
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    """How tokens become a text's vector; `auto` is what the model's folder says, else the mean."""
    prefix: str | None = None
    """What stands before an item's text, as `passage: ` for E5; what the model's folder says without one."""
    user_prefix: str | None = None
    """What stands before a user's text, as `query: ` for E5 or the instruction of BGE."""
    max_length: int = Field(default=64, ge=4, le=8192)
    """Tokens of a text that count: 32 for titles, 64 to 256 for descriptions."""
    text_batch: int = Field(default=128, ge=1)
    """Texts encoded at a time."""


def model_start(path: str, offered: Collection[str]) -> frozenset[str]:
    """Return the text model of a pre-training, where one is offered and no other is named (`Encoder.starts_from`)."""
    return frozenset({PRETRAINED} & {*offered}) if not path else frozenset()


def reading_determinants(path: str, pooling: str, context: Context) -> dict[str, str]:
    """Return what vectors of texts depend on: the digest of the model's folder, and how its tokens are pooled."""
    folder = find_model(path, pretrained=context.pretrained, online=context.online)
    return model_determinants(folder) | {"pooling": usage_of(folder, pooling=pooling).pooling}


def open_reading(given: TextReading, context: Context, **training: Any) -> tuple[TextSource, TextUsage]:
    """Return the text model that is set, and how it is used.

    Args:
        given: Settings.
        context: Where a pre-training is, the device, and the cache.
        training: How the model is trained, as `TextSource` takes it; without any it is not.

    Raises:
        MissingExtraError: The offline default is wanted and its wheel is not installed.
        OfflineError: `path` names a model of a hub, and the network may not be used.
        DamagedArtifactError: The model's folder is not safe to open.
    """
    folder = find_model(given.path, pretrained=context.pretrained, online=context.online)
    usage = usage_of(folder, pooling=given.pooling, prefix=given.prefix, user_prefix=given.user_prefix)
    source = TextSource(
        folder,
        pooling=usage.pooling,
        max_length=given.max_length,
        batch=given.text_batch,
        device=context.device,
        cache=context.cache,
        say=context.say,
        **training,
    )
    return source, usage
