"""Settings that need a column, and data that has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reccli.errors import ConfigError

if TYPE_CHECKING:
    from reccli.settings import PrepareSettings

__all__ = ["check_settings"]


def check_settings(settings: PrepareSettings, roles: Sequence[str]) -> None:
    """Refuse settings that need a role which no column plays.

    Raises:
        ConfigError: There is no such column; the hint has the flag that names it.
    """
    needs = {
        "min_rating": "value" if settings.min_rating is not None else "",
        "value_as_weight": "value" if settings.value_as_weight else "",
        "recency_half_life": "time" if settings.recency_half_life is not None else "",
        "event_weights": "event" if settings.event_weights else "",
    }
    for name, role in needs.items():
        if role and role not in roles:
            raise ConfigError(
                f"--{name.replace('_', '-')} needs a column for the {role}, and there is none",
                hint=f"name it: --{role}-column COLUMN",
            )
    if settings.task == "rating" and "value" not in roles:
        raise ConfigError("task 'rating' needs a column of ratings, and there is none", hint="--value-column COLUMN")
