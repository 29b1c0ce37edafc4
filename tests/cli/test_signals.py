"""Signals: what asks to stop is seen once, and no timer outlives the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_the_caller_closed_is_no_bug(closed: str) -> None:
    command = f"{sys.executable} -m reccli config show prepare {closed}"
    done = subprocess.run(["sh", "-c", command], check=False, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["typer", "torch"])
def test_a_signal_during_an_import_is_one_line_and_its_code(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(30)\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['reccli', 'plugins', 'check']\n"
        "from reccli.__main__ import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: stopped by Ctrl-C; nothing is lost\n")
