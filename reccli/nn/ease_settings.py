"""Settings of EASE with words."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from reccli.api.component import ComponentSettings
from reccli.api.needs import Needs
from reccli.api.search import Choices
from reccli.errors import ConfigError
from reccli.nn.bounds import Amount, Positive, Power

__all__ = ["EaseSettings"]


class EaseSettings(ComponentSettings):
    """Settings of EASE with words."""

    rank: int = Field(default=2048, ge=1)
    """Components; exact where it reaches the number of users or of items."""
    l2: Annotated[Positive | Literal["auto"], Choices(("auto", 0.002, 0.008, 0.032, 0.128))] = "auto"
    """Penalty as a share of the largest eigenvalue of the Gram matrix: 0.0005 to 0.1, or `auto`."""
    user_power: Annotated[Power | Literal["auto"], Choices(("auto", 0.0, 0.25, 0.5))] = "auto"
    """How much less a row of a user with a long history counts: 0 to 0.5, or `auto`."""
    words: Annotated[
        Amount | Literal["auto"], Choices(("auto", 0.0, 2.0, 8.0, 32.0)), Needs("text", unless=("auto", 0.0))
    ] = "auto"
    """How many interactions the words of an item's text count as: 2 to 32, 0 leaves texts out, or `auto`."""
    recency: Annotated[
        Amount | Literal["auto"], Choices(("auto", 0.0, 0.5, 1.0)), Needs("time", unless=("auto", 0.0))
    ] = "auto"
    """How fast entries of a history count less with age: 0 (not at all) to 1.5, or `auto`; needs an order."""
    vocabulary: int = Field(default=4096, ge=1)
    """Words kept, those that most texts have: 1,024 to 16,384."""
    n_iter: int = Field(default=3, ge=1, le=50)
    """Passes of the decomposition."""

    def without_words(self) -> Self:
        """Return the same for texts that are not read.

        Raises:
            ConfigError: Words are asked for.
        """
        if self.words not in ("auto", 0.0):
            raise ConfigError(f"encoder.words={self.words}, and encoder.text=no", hint="leave one of them out")
        return self.model_copy(update={"words": 0.0})
