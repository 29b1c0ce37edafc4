"""The prepared data as it is held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from prepared_world import prepare

from reccli.testing import checkerboard
from reccli.workspace import Workspace


def test_tables_that_are_forgotten_are_read_again(tmp_path: Path) -> None:
    prepared = prepare(Workspace(tmp_path / "ws"), checkerboard())
    before, table = prepared.histories("train"), prepared.interactions
    assert prepared.interactions is table
    prepared.forget()
    assert not {"users", "items", "interactions"} & set(vars(prepared))
    after = prepared.histories("train")
    np.testing.assert_array_equal(after.item_E, before.item_E)
    assert prepared.interactions is not table
    prepared.forget()
    prepared.forget()
