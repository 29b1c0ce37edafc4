"""What components may learn an order from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from reccli.artifacts import Prepared
from reccli.training.component_data import predicts_future


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"method": "temporal"}, True),
        ({"method": "leave-one-out"}, True),
        ({"method": "random"}, False),
        ({"method": "given", "future": True}, True),
        ({"method": "given", "future": False}, False),
        ({"method": "given"}, False),
        ("temporal", True),
        ("random", False),
    ],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_an_order_is_learned_from_where_the_future_is_hidden(split: Any, expected: bool, ordered: bool) -> None:
    manifest = SimpleNamespace(facts={"split": split})
    prepared = cast(Prepared, SimpleNamespace(ordered=ordered, version=SimpleNamespace(manifest=manifest)))
    assert predicts_future(prepared) is (expected and ordered)
