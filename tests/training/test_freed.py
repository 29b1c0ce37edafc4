"""Freed memory goes back, and a library without the call is left alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reccli.stages.common import Control
from reccli.training import freed, loop
from reccli.training.task import Plan


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the call is of glibc")
def test_kept_memory_goes_back() -> None:
    code = (
        "import torch; from reccli.cli.allocation import keep_memory\nfrom reccli.training.freed import give_back\n"
        "keep_memory()\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096 >> 20\n"
        "held = [torch.ones(1 << 18) for _ in range(100)]\n"
        "last = torch.ones(1)\n"
        "full = resident(); del held; kept = resident(); give_back(); print(full - kept, full - resident())"
    )
    if getattr(freed.ctypes.CDLL(None), "malloc_trim", None) is None:
        pytest.skip("this C library has no such call")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, given_back = map(int, done.stdout.split())
    assert kept < 50 < given_back


def test_a_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed.sys, "platform", "linux")
    monkeypatch.setattr(freed.ctypes, "CDLL", lambda name: object())
    freed.give_back()


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed.sys, "platform", "darwin")
    monkeypatch.setattr(freed.ctypes, "CDLL", lambda name: pytest.fail("asked"))
    freed.give_back()


def test_it_goes_back_before_training_and_around_validations(regression: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(loop, "give_back", lambda: calls.append(1))
    loop.train(regression(), Plan(epochs=2, batch_size=4, learning_rate=0.02), Control())
    assert len(calls) == 1 + 2 * 3


def test_no_gradient_is_held_between_steps(regression: Any) -> None:
    task = regression()
    loop.train(task, Plan(epochs=1, batch_size=4, learning_rate=0.02), Control())
    assert all(p.grad is None for p in task.module.parameters())
