"""Shared fixtures: one torch thread, no stray settings, and the real data sets where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Examples are told apart by what they show, not by how busy the machine is; every run draws the same ones.
settings.register_profile("reccli", deadline=None, derandomize=True)
settings.load_profile("reccli")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RECCLI_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets; tests that use it are marked `realdata`."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets (../shared/data) are not here")
    return SHARED


def pytest_report_header() -> str:
    return f"real data: {'found' if SHARED.is_dir() else 'absent, tests that need it are skipped'}"
