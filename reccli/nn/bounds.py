"""Bounds that settings of several encoders share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["Amount", "Count", "Positive", "Power"]

Amount = Annotated[float, Field(ge=0, le=1e9)]
"""What may be left out by 0; single numbers hold the square of the largest."""
Count = Annotated[int, Field(ge=1)]
"""Things of which there must be one."""
Positive = Annotated[float, Field(gt=0, le=1e9)]
"""What leaves no solution, or several, at 0."""
Power = Annotated[float, Field(ge=0, le=2)]
"""Exponent of a number of interactions; twice the largest of use, so that single numbers hold the result."""
