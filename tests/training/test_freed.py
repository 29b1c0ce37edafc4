"""Freed memory goes back, and a library without the call is left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reccli.training import freed


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
