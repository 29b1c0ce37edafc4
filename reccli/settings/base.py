"""What all settings classes share."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

__all__ = ["StageSettings"]


class StageSettings(BaseModel):
    """Base: frozen, closed, every field documented. `SKIP` names fields that cannot change results."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    SKIP: ClassVar[frozenset[str]] = frozenset({"name"})

    def determinants(self) -> dict[str, Any]:
        """Return the settings that results depend on, for fingerprints."""
        return self.model_dump(mode="json", exclude=set(self.SKIP))
