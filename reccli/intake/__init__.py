"""From files to tables: unpacking, decoding, strict checking, roles of columns and units of times.

A stage calls `open_table`, then `roles.assign`, `times.detect` and `times.to_micros`; it wraps each `collect` of the
lazy frame in `reading(path)`, and finds the lines of rows with `locate`.
"""

from __future__ import annotations

from reccli.intake.companions import find_companions
from reccli.intake.locating import locate
from reccli.intake.opening import open_table, reading

__all__ = ["find_companions", "locate", "open_table", "reading"]
