"""A failing disk is one error, in whatever shape a library reports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.errors import StorageError
from reccli.workspace import storage_errors


@pytest.mark.fault(24)
def test_f24_disk_errors_of_many_shapes_are_one_error(tmp_path: Path) -> None:
    for error in (OSError(28, "No space left on device"), ValueError("Io error: (os error 28)")):
        with pytest.raises(StorageError, match="No space left on device"), storage_errors(tmp_path):
            raise error
    with pytest.raises(ValueError, match="other"), storage_errors(tmp_path):
        raise ValueError("other")
