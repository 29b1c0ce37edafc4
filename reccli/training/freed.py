"""Freed memory goes back to the system where work of another kind begins."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back"]


def give_back() -> None:
    """Return what the C library keeps of freed memory; nothing where it has no such call.

    Freed memory is kept for the next step (`reccli.cli.allocation`), which saves a fifth of a step's time. What reading
    and preparing the data left over, or a validation, has other sizes than a step wants, and would lie beside it.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
