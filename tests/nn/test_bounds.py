"""Bounds hold beside a word, as settings that may be `auto` have them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from reccli.nn.bounds import Amount, Count, Positive, Power


@pytest.mark.parametrize(
    ("bound", "least", "below"),
    [(Amount, 0.0, -1e-9), (Count, 1, 0), (Positive, 1e-300, 0.0), (Power, 0.0, -0.1)],
)
def test_the_least_is_taken_and_what_is_below_refused(bound: Any, least: float, below: float) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(bound | Literal["auto"])
    assert (adapter.validate_python(least), adapter.validate_python("auto")) == (least, "auto")
    with pytest.raises(ValidationError, match="greater than"):
        adapter.validate_python(below)


@pytest.mark.parametrize(("bound", "most"), [(Amount, 1e9), (Positive, 1e9), (Power, 2.0)])
def test_what_single_numbers_do_not_hold_is_refused(bound: Any, most: float) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(bound)
    assert adapter.validate_python(most) == most
    with pytest.raises(ValidationError, match="less than or equal to"):
        adapter.validate_python(most * 1.1)
