"""How the engines of tables and tensors get their memory: kept for the next step instead of given back at once."""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["keep_memory"]

VARIABLE = "_RJEM_MALLOC_CONF"
TENSOR_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
TRIM, MMAP = -1, -3  # mallopt's numbers for the two
LARGEST, KEPT = 1 << 28, 1 << 30
SETTINGS = "thp:always,dirty_decay_ms:10000,muzzy_decay_ms:10000"
SPARING = "dirty_decay_ms:0,muzzy_decay_ms:0"
TRAINING = ("pretrain", "finetune", "tune")


def keep_memory(command: str | None = None) -> None:
    """Set up the allocators of polars, which reads its settings once, when first imported, and of torch on the CPU.

    A stage goes through many short-lived columns of tens of megabytes, and touching new memory costs as much as the
    work on it: on 10 million rows, a third of the time of `prepare`. A step of training makes scores of that size,
    which glibc would map and unmap each time: with 3,072 rows and 2,048 negatives, a fifth of the step. Commands
    that train need tables at their beginning and end alone: there what polars has freed goes back at once. A value that
    the user has set stays.

    Args:
        command: Name of the command that is run.
    """
    os.environ.setdefault(VARIABLE, SPARING if command in TRAINING else SETTINGS)
    if sys.platform.startswith("linux") and not any(name in os.environ for name in TENSOR_VARIABLES):
        choose = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
        if choose is not None:
            choose(MMAP, LARGEST)
            choose(TRIM, KEPT)
