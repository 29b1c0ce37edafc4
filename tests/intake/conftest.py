from __future__ import annotations

import pytest

from reccli.intake import open_table
from reccli.settings import PrepareSettings


@pytest.fixture
def read(tmp_path):
    """Write bytes (or text) to a file and return its table; keywords are settings."""

    def call(content, name="ratings.csv", *, kind="interactions", **settings):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return open_table(path, PrepareSettings(**settings), kind=kind, scratch=tmp_path / "scratch")

    return call


@pytest.fixture
def rows(read):
    """Write bytes (or text) to a file and return its rows."""

    def call(content, name="ratings.csv", **settings):
        return read(content, name, **settings).frame.collect().rows()

    return call
