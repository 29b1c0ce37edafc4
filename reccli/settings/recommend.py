"""What can be set for `reccli recommend`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reccli.settings.base import StageSettings

__all__ = ["RecommendSettings"]


class RecommendSettings(StageSettings):
    """Settings of `reccli recommend`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "new_items"})

    run: str | None = None
    """Finetune run; the last one without a name."""
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
