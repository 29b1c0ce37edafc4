"""What reaches the terminal: results on stdout, talk on stderr, data never read as markup."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["clean", "data_line", "is_terminal", "result_line", "set_up_streams", "talk", "warning"]

# C0 and C1 controls, and the marks that reorder or hide text (bidirectional, zero width).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def set_up_streams() -> None:
    """Make any locale print any text: UTF-8, with escapes where a stream cannot take it; a closed one goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it, as `>&-` does; its number must not become a file's
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # for as long as it runs
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal that takes cursor movements."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    except (AttributeError, ValueError):
        return False


def clean(text: str) -> str:
    """Take control characters out of data that goes to a terminal."""
    return _UNSAFE.sub("", text).replace("\n", " ").replace("\t", " ")


def data_line(text: str) -> None:
    """Write one line of data to stdout as it is."""
    sys.stdout.write(text + "\n")


def result_line(text: str) -> None:
    """Write one line of results to stdout."""
    sys.stdout.write((clean(text) if is_terminal(sys.stdout) else text) + "\n")


def result_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def talk(text: str) -> None:
    """Write one line to stderr; a closed stderr is no reason to fail."""
    try:
        sys.stderr.write((clean(text) if is_terminal(sys.stderr) else text) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def warning(text: str) -> None:
    """Write one warning line to stderr."""
    talk(f"warning: {text}")
