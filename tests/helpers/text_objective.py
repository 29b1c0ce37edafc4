"""What the tests of all objectives on a text model share: the conformance kit over a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.testing.objectives import ObjectiveConformance


class TextObjectiveConformance(ObjectiveConformance):
    """Every check of an objective, with the folder of the fixture `folder` as its model."""

    @pytest.fixture(autouse=True)
    def _model(self, folder: Path) -> None:
        self.settings = {"path": str(folder), **type(self).settings}
