"""How a text model wants to be used: how its tokens become one vector, and what stands before a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reccli.errors import ConfigError, one_of
from reccli.nn.text_folder import DECODERS, read_json

__all__ = ["POOLINGS", "POOLING_FILE", "PROMPTS_FILE", "TextUsage", "pooling_config", "usage_of"]

POOLINGS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}
POOLING_FILE = Path("1_Pooling") / "config.json"
PROMPTS_FILE = "config_sentence_transformers.json"
ITEM_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True)
class TextUsage:
    """How texts become vectors.

    Args:
        pooling: `mean`, `cls` or `last`.
        prefix: What stands before the text of an item.
        user_prefix: What stands before the text of a user.
        notes: Lines for people: what the model's folder decided.
    """

    pooling: str
    prefix: str = ""
    user_prefix: str = ""
    notes: tuple[str, ...] = ()

    def items(self, texts: Sequence[str]) -> list[str]:
        """Return texts of items as the model wants them."""
        return [self.prefix + text for text in texts]

    def users(self, texts: Sequence[str]) -> list[str]:
        """Return texts of users as the model wants them."""
        return [self.user_prefix + text for text in texts]


def usage_of(
    folder: Path, *, pooling: str = "auto", prefix: str | None = None, user_prefix: str | None = None
) -> TextUsage:
    """Return how to use the model of a checked folder; what is given wins over what the folder says.

    Pooling is that of `1_Pooling/config.json`; without that file the last token for decoders, and the mean for others.
    Prefixes are the prompts of `config_sentence_transformers.json`, if it names any.

    Args:
        folder: A model folder.
        pooling: `mean`, `cls`, `last`, or `auto`.
        prefix: Before items, as `passage: ` for E5; None for what the folder says.
        user_prefix: Before users, as `query: ` for E5; None for what the folder says.

    Raises:
        ConfigError: The folder asks for a pooling that is not one of the three.
        DamagedArtifactError: A file is no JSON object.
    """
    notes = []
    if pooling == "auto":
        pooling, source = _pooling_of(folder)
        if source:
            notes.append(f"pooling {pooling}, as {source}")
    elif pooling not in POOLINGS:
        raise one_of("pooling", pooling, POOLINGS)
    prompts = _prompts_of(folder)
    found = {"items": prefix, "users": user_prefix}
    said = {"items": next((prompts[name] for name in ITEM_PROMPTS if name in prompts), ""),
            "users": prompts.get("query", "")}  # fmt: skip
    for who, given in found.items():
        if given is None and said[who]:
            notes.append(f"texts of {who} begin with {said[who]!r}, as {PROMPTS_FILE} says")
    chosen = {who: said[who] if given is None else given for who, given in found.items()}
    return TextUsage(pooling, chosen["items"], chosen["users"], tuple(notes))


def pooling_config(pooling: str, width: int) -> dict[str, Any]:
    """Return the content of `1_Pooling/config.json`, so that a saved folder says how it is used."""
    return {"word_embedding_dimension": width} | {key: name == pooling for name, key in POOLINGS.items()}


def _pooling_of(folder: Path) -> tuple[str, str]:
    """Return the pooling and where it comes from ("" for the plain default)."""
    if (folder / POOLING_FILE).is_file():
        config = read_json(folder / POOLING_FILE)
        asked = sorted(key for key, value in config.items() if key.startswith("pooling_mode_") and value is True)
        named = {key: name for name, key in POOLINGS.items()}
        if isinstance(config.get("pooling_mode"), str):
            asked = [POOLINGS.get({"lasttoken": "last"}.get(config["pooling_mode"], config["pooling_mode"]), "other")]
        if len(asked) == 1 and asked[0] in named:
            return named[asked[0]], f"{POOLING_FILE} says"
        what = " and ".join(key.removeprefix("pooling_mode_") for key in asked) or "none"
        raise ConfigError(
            f"{folder / POOLING_FILE} asks for pooling {what}, and there are {', '.join(POOLINGS)}",
            hint="choose one: --set encoder.pooling=mean",
        )
    if read_json(folder / "config.json").get("model_type") in DECODERS:
        return "last", "decoders are summed up by their last token"
    return "mean", ""


def _prompts_of(folder: Path) -> dict[str, str]:
    if not (folder / PROMPTS_FILE).is_file():
        return {}
    prompts = read_json(folder / PROMPTS_FILE).get("prompts")
    if not isinstance(prompts, dict):
        return {}
    return {str(name): text for name, text in prompts.items() if isinstance(text, str) and text}
