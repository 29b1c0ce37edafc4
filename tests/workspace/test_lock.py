"""Writers exclude each other, and say who they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from committed import commit

from reccli.errors import LockedError
from reccli.workspace import Workspace


@pytest.mark.fault(29)
def test_f29_a_second_writer_is_told_who_holds_the_workspace(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with space.writing(), pytest.raises(LockedError, match=f"pid {os.getpid()}"), Workspace(tmp_path).writing():
        pass


@pytest.mark.fault(34)
def test_f34_a_stale_holder_file_blocks_nobody(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    commit(space)
    (space.inner / "holder.json").write_text(
        json.dumps({"pid": os.getpid(), "host": "x", "command": [], "started": ""})
    )
    commit(space, number=2)
