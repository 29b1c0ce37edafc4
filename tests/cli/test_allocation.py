"""The allocator's settings: in force before polars is imported, and the user's own stay."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reccli.cli.allocation import SETTINGS, VARIABLE, keep_memory


def test_a_value_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "narenas:1")
    keep_memory()
    assert os.environ[VARIABLE] == "narenas:1"


def test_polars_is_not_imported_before() -> None:
    code = (
        "import os, sys; import reccli.cli.main; "
        "from reccli.cli.allocation import VARIABLE, keep_memory; before = 'polars' in sys.modules; "
        "keep_memory(); print(before, os.environ[VARIABLE])"
    )
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["False", SETTINGS]
