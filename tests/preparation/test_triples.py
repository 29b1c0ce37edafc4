"""Triples: once each, in order, with codes where an end is an item."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.preparation.triples import triple_frame
from reccli.schemas import check_frame


@pytest.mark.fault(85)
def test_triples_by_hand() -> None:
    raw = pl.DataFrame(
        [("b", "r", "a"), ("a", "r", "x"), ("a", "r", "x"), ("y", "s", "y"), (None, "r", "a"), ("a", " ", "b")],
        schema=["h", "rel", "t"],
        orient="row",
    ).lazy()
    frame, counts = triple_frame(raw, head="h", relation="rel", tail="t", items=pl.Series(["a", "b"]))
    assert check_frame("triples", frame).rows() == [
        ("a", "r", "x", 0, None),
        ("b", "r", "a", 1, 0),
        ("y", "s", "y", None, None),
    ]
    assert counts == {"read": 6, "incomplete": 2, "repeated": 1, "loops": 1, "items": 2}
