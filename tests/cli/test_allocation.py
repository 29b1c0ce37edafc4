"""The allocator's settings: in force before polars is imported, and the user's own stay."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reccli.cli import allocation
from reccli.cli.allocation import SETTINGS, SPARING, VARIABLE, keep_memory


def test_a_value_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "narenas:1")
    keep_memory()
    assert os.environ[VARIABLE] == "narenas:1"


@pytest.mark.parametrize(
    ("command", "expected"),
    [(None, SETTINGS), ("prepare", SETTINGS), ("evaluate", SETTINGS), ("finetune", SPARING), ("tune", SPARING)],
)
def test_commands_that_train_give_the_memory_of_tables_back(
    command: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    keep_memory(command)
    assert os.environ.pop(VARIABLE) == expected


def test_polars_is_not_imported_before() -> None:
    code = (
        "import os, sys; import reccli.cli.main; "
        "from reccli.cli.allocation import VARIABLE, keep_memory; before = 'polars' in sys.modules; "
        "keep_memory(); print(before, os.environ[VARIABLE])"
    )
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["False", SETTINGS]


class Library:
    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def mallopt(self, what: int, value: int) -> int:
        self.calls.append((what, value))
        return 1


@pytest.mark.parametrize(
    ("given", "expected"), [({}, [(-3, 1 << 28), (-1, 1 << 30)]), ({"MALLOC_TRIM_THRESHOLD_": "1"}, [])]
)
def test_large_blocks_are_kept_unless_the_user_says_otherwise(
    given: dict[str, str], expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(allocation.sys, "platform", "linux")
    for name in allocation.TENSOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    keep_memory()
    assert library.calls == expected


def test_a_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda name: object())
    keep_memory()
