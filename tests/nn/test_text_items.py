"""Texts of items, also where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reccli.api import Context, Histories, TrainingData
from reccli.nn.text_items import item_texts


def run(data: TrainingData) -> tuple[list[str], list[str]]:
    warnings: list[str] = []
    return item_texts(data, Context(warn=warnings.append)), warnings


DATA = TrainingData(Histories.from_arrays([0], [0], n_users=1, n_items=3))


def test_texts_are_taken_as_they_are() -> None:
    assert run(replace(DATA, item_text_I=["a", "", " c"])) == (["a", "", " c"], [])


def test_made_of_attributes_and_codes() -> None:
    data = replace(
        DATA,
        item_text_I=["", " ", ""],
        item_attributes={"year": [1995, None, np.nan], "tags": [["x", "y"], [], None], "blank": [" ", "", "z"]},
    )
    texts, warnings = run(data)
    assert texts == ["item 0; year: 1995; tags: x, y", "item 1", "item 2; blank: z"]
    assert len(warnings) == 1
    assert "--items" in warnings[0]
