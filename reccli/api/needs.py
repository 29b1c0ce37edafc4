"""What data must have for a setting to say anything: declared beside the setting, so that plugins declare their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Needs", "needs_of"]


@dataclass(frozen=True)
class Needs:
    """What the data must have where a setting is given.

    Without it a run is refused before anything is set up, and `reccli tune` does not search the setting by itself.

    ::

        recency: Annotated[float | Literal["auto"], Needs("time", unless=("auto", 0.0))] = "auto"

    Args:
        what: One of the names of `Component.needs`: `text`, `time`, ...
        unless: Values that ask for nothing; the default is among them, unless the component itself needs the same.
    """

    what: str
    unless: tuple[str | int | float | bool | None, ...] = (None,)


def needs_of(settings: type[BaseModel]) -> dict[str, Needs]:
    """Return the need of each setting that has one, in the order of the settings."""
    return {
        name: entry
        for name, field in settings.model_fields.items()
        for entry in field.metadata
        if isinstance(entry, Needs)
    }
