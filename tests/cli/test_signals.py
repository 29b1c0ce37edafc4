"""Signals: what asks to stop is seen once, and no timer outlives the run."""

from __future__ import annotations

import subprocess
import sys

SLOW_END = """
import os, signal, sys, time
from reccli.cli import signals

class Slow:
    def __del__(self):
        time.sleep(1.5)  # longer than the timer has left

signals.install()
kept = Slow()
signals.requested()
signals.requested()
os.kill(os.getpid(), signal.SIGINT)
{poll}
sys.modules["kept"] = kept
sys.exit(130)
"""


def ended(poll: str) -> int:
    done = subprocess.run([sys.executable, "-c", SLOW_END.format(poll=poll)], check=False, timeout=60)
    return done.returncode


def test_a_run_that_saw_the_signal_ends_with_its_own_code() -> None:
    assert ended("assert signals.requested() == signal.SIGINT") == 130


def test_so_does_one_that_ended_before_it_asked_again() -> None:
    assert ended("pass") == 130


def test_a_request_that_was_seen_stops_the_timer() -> None:
    code = (
        "import os, signal\n"
        "from reccli.cli import signals\n"
        "signals.install(); signals.requested(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "assert signal.getitimer(signal.ITIMER_REAL)[0] > 0\n"
        "assert signals.requested() == signal.SIGTERM\n"
        "assert signal.getitimer(signal.ITIMER_REAL)[0] == 0\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
