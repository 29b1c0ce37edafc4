"""What can be set for `reccli prepare`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reccli.settings.base import StageSettings

__all__ = ["PrepareSettings"]


class PrepareSettings(StageSettings):
    """Settings of `reccli prepare`."""

    reader: str | None = None
    """Reader component that opens the files; found from the content without one."""
    delimiter: str | None = None
    """Column delimiter; found without one."""
    encoding: str | None = None
    """Text encoding; found (UTF-8, UTF-16 by its mark) without one."""
    header: bool | None = None
    """Whether the first line holds names; found without one."""
    user_column: str | None = None
    """Column of user ids; found by common names without one."""
    item_column: str | None = None
    """Column of item ids."""
    value_column: str | None = None
    """Column of ratings, counts or labels; none is fine."""
    time_column: str | None = None
    """Column of times; none is fine."""
    time_unit: Literal["auto", "s", "ms", "us", "ns", "iso", "order"] = "auto"
    """Unit of the times; `order` for positions that only order the rows of a user."""
    event_column: str | None = None
    """Column with the kind of behaviour."""
    event_weights: dict[str, Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]] = Field(default={})
    """Weight of each kind of behaviour, 0 or more; kinds not named are dropped and counted."""
    value_as_weight: bool = False
    """Use the value as the confidence of an implicit interaction."""
    recency_half_life: float | None = Field(default=None, gt=0)
    """Halve an interaction's weight every so many days before the newest training interaction."""
    item_text: str | None = None
    """Template of item texts over columns of the items file, as `{title} ({genres})`."""
    user_text: str | None = None
    """Template of user texts over columns of the users file; `{history}` is the titles of the training history."""
    drop_bad_rows: bool = False
    """Drop and count malformed rows instead of refusing the file."""
    duplicates: Literal["last", "first", "mean", "sum", "max", "keep", "error"] = "last"
    """What becomes of several rows of one user and item."""
    min_rating: float | None = None
    """Rows below are dropped: only values from here on count as positives."""
    core: tuple[int, int] = (0, 0)
    """Iterative k-core: least interactions of a user and of an item."""
    max_interactions: int | None = Field(default=None, gt=0)
    """Users with more are outliers and dropped."""
    task: Literal["auto", "ranking", "rating", "ctr"] = "auto"
    """What the values are for: `auto` is ranking, and ctr where the value column holds 0 and 1 alone."""
    split: Literal["auto", "random", "leave-one-out", "temporal", "global-time", "cold-item", "cold-user", "given"] = (
        "auto"
    )
    """How train, validation and test are told apart; `auto` is temporal where there is time, else random."""
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, validation and test."""
    split_column: str | None = None
    """Column with the given part of each row."""
    valid_from: str | None = None
    """Time at which validation begins (global-time), as a date or a number in the file's unit."""
    test_from: str | None = None
    """Time at which test begins (global-time)."""
    valid_from_train: float | None = Field(default=None, gt=0, lt=1)
    """With given parts and no validation part: share of each user's training rows that becomes one."""
    seed: int = Field(default=42, ge=0)
    """Seed of every random draw."""
