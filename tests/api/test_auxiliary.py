"""What an auxiliary task returns is checked."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from reccli.api import Auxiliary
from reccli.errors import PluginError


class Says(Auxiliary):
    """Says what it is told."""

    answer: Any = torch.tensor(1.5)

    def setup(self, data: Any, encoder: Any, context: Any) -> None:
        """Need nothing."""

    def compute(self, encoder: Any, batch: Any) -> Any:
        return self.answer


def test_a_scalar_passes_and_nothing_is_disturbed() -> None:
    task = Says()
    assert float(task(None, None)) == 1.5
    assert task.disturbance() is None
    task.begin_epoch(1, None)
    assert (task.views, task.default_weight) == ("graph", 0.02)


@pytest.mark.parametrize(("answer", "said"), [(torch.zeros(3), r"\(3,\)"), (0.5, "float"), (None, "NoneType")])
def test_what_is_no_scalar_is_refused(answer: Any, said: str) -> None:
    task = Says()
    task.answer = answer
    with pytest.raises(PluginError, match=rf"auxiliary task Says returned {said}, expected a scalar"):
        task(None, None)
