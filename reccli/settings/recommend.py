"""What can be set for `reccli recommend`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from reccli.settings.base import StageSettings
from reccli.settings.weights import RunWeights

__all__ = ["RecommendSettings"]


class RecommendSettings(StageSettings):
    """Settings of `reccli recommend`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "new_items"})

    run: tuple[str, ...] = ()
    """Finetune run, the last one without a name; several are an ensemble, whose normalised scores are added."""
    weights: RunWeights = ()
    """Weight of each run of an ensemble; equal ones without any, and `auto` takes or makes the choice on validation."""
    mix: Literal["score", "rank"] = "score"
    """What an ensemble adds up: normalised scores, or reciprocal places in the runs' lists."""
    k: int = Field(default=10, ge=1)
    """Items of a list."""
    users: tuple[str, ...] = ()
    """User ids; all users without any."""
    history: tuple[str, ...] = ()
    """Item ids of a user the model has never seen, oldest first."""
    user_text: str | None = None
    """What a user the model has never seen says of what is wanted, in words."""
    new_items: str | None = None
    """Items file (ids, titles, texts) of items that came after training; they are listed by their texts."""
    only_new: bool = False
    """List the new items alone."""
    rerank: str | None = None
    """Run of a joint encoder (bert-cross) that puts the first items of the lists in order anew."""
    rerank_depth: int = Field(default=50, ge=1)
    """Items of a list that are put in order anew."""
    as_of: Literal["now", "valid", "test"] = "now"
    """`now` uses and masks every interaction, `test` those of train and validation, `valid` those of train."""
    include_seen: bool = False
    """Also list items that the user already has."""
    items_allow: tuple[str, ...] | None = None
    """List these items alone."""
    items_deny: tuple[str, ...] = ()
    """Never list these items."""
    explain: bool = False
    """Add the history items that speak most for each recommendation."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""

    @field_validator("run", mode="before")
    @classmethod
    def _one_is_a_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else () if value is None else value
