"""Where `reccli tune` looks for a setting's value: declared beside the setting, so that plugins declare their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Choices", "Range", "spaces_of"]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones for a setting that is an int.

    ::

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)

    Args:
        low: Smallest value.
        high: Largest value.
        log: Equal ratios are equally likely, not equal differences; `low` is above 0.
    """

    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"

    def holds(self, value: Any) -> bool:
        """Whether a value lies in it."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def with_value(self, value: Any) -> Range:
        """Return the range, widened to hold a number."""
        return self if self.holds(value) else Range(min(self.low, value), max(self.high, value), self.log)


@dataclass(frozen=True)
class Choices:
    """One of some values, which have no order.

    ::

        dim: Annotated[int, Choices((64, 128, 256))] = Field(default=128, ge=1)

    Args:
        values: At least two texts, numbers or switches.
    """

    values: tuple[str | int | float | bool, ...]

    def __str__(self) -> str:
        return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in self.values)

    def holds(self, value: Any) -> bool:
        """Whether a value is one of them."""
        return any(type(value) is type(one) and value == one for one in self.values)

    def with_value(self, value: Any) -> Choices:
        """Return the choices, with one more where it is not among them."""
        return self if self.holds(value) else Choices((*self.values, value))


def spaces_of(settings: type[BaseModel]) -> dict[str, Range | Choices]:
    """Return the declared space of each setting that has one, in the order of the settings."""
    found: dict[str, Range | Choices] = {}
    for name, field in settings.model_fields.items():
        for entry in field.metadata:
            if isinstance(entry, Range | Choices):
                found[name] = entry
    return found
