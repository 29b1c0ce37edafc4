"""How the table engine gets its memory: in large pages, and kept for the next step instead of given back at once."""

from __future__ import annotations

import os

__all__ = ["keep_memory"]

VARIABLE = "_RJEM_MALLOC_CONF"
SETTINGS = "thp:always,dirty_decay_ms:10000,muzzy_decay_ms:10000"


def keep_memory() -> None:
    """Set up the allocator of polars, which reads its settings once, when polars is first imported.

    A stage goes through many short-lived columns of tens of megabytes, and touching new memory costs as much as the
    work on it: on 10 million rows, a third of the time of `prepare`. A value that the user has set stays.
    """
    os.environ.setdefault(VARIABLE, SETTINGS)
