"""The prepared data as it is held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared_world import prepare

from reccli.artifacts import Prepared
from reccli.testing import checkerboard
from reccli.workspace import Version, Workspace


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


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the prepared tables that are read from now on."""
    found: list[str] = []
    real = Version.read

    def read(self: Version, artifact: str, columns: list[str] | None = None) -> Any:
        if self.manifest.stage == "prepare":
            found.append(artifact)
        return real(self, artifact, columns)

    monkeypatch.setattr(Version, "read", read)
    return found


def test_shared_data_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / "ws")
    alone = prepare(workspace, checkerboard(held_out=1))
    shared, found = Prepared(alone.version, shared=True), reads(monkeypatch)
    for prepared, times in ((alone, 2), (shared, 1)):
        for _ in range(2):
            data, held = prepared.training_data("train", task="rating"), prepared.validation
            prepared.forget()
            assert not {"users", "items", "interactions"} & set(vars(prepared))
        assert found.count("interactions") == times
        assert (data.task, prepared.training_data().task) == ("rating", "ranking")
        assert len(held) == len(prepared.validation)
        found.clear()
    whole = shared.training_data("train", "valid")
    assert len(whole.train) > len(data.train)
    assert list(shared._learned) == [("train", "valid")], "one at a time"
    given = {"spectral": np.zeros((data.n_items, 2), np.float32)}
    assert shared.training_data("train", "valid", features=given).features == given
    assert shared.training_data("train", "valid").features == {}
