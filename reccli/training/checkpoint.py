"""Checkpoints: whole or not there, verified when read, without pickle.

Layout::

    <folder>/step-000000120/tensors.safetensors    weights, optimiser, best weights so far, generator states
    <folder>/step-000000120/state.json             everything else, and the sha256 of the tensors and the constants
    <folder>/constants.safetensors                 what training never changes, once for all of them
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from reccli import failpoint
from reccli.manifest import sha256_file
from reccli.tensor_files import write_tensors
from reccli.workspace.storage import storage_errors, sync_file, sync_folder

__all__ = ["Checkpoint", "Checkpoints"]

FORMAT = 2
KEEP = 2
CONSTANTS = "constants.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint in memory."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]
    constants: dict[str, Tensor]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Folder of the run, named after all that its results depend on; it is made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._constants: str | None = None  # sha256 of those that this process has written or read

    def save(
        self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], constants: Mapping[str, Tensor]
    ) -> None:
        """Write one atomically; the two newest are kept.

        Args:
            step: Its number.
            tensors: What changes.
            state: Plain values.
            constants: What is the same in all of them, written with the first.

        Raises:
            StorageError: The file system refused.
        """
        with storage_errors(self.folder):
            draft = self.folder / f"tmp-{uuid.uuid4().hex}"
            draft.mkdir(parents=True)
            failpoint.hit("checkpoint.before_write")
            file = draft / "tensors.safetensors"
            write_tensors(file, tensors)
            failpoint.hit("checkpoint.mid_write")
            sync_file(file)
            hashes = {"sha256": sha256_file(file), "constants": self._keep(constants, draft)}
            record = {"format": FORMAT, "step": step, **hashes, "state": dict(state)}
            with (draft / "state.json").open("w", encoding="utf-8") as handle:
                json.dump(record, handle)
                handle.flush()
                os.fsync(handle.fileno())
            sync_folder(draft)
            failpoint.hit("checkpoint.before_rename")
            final = self.folder / f"step-{step:09d}"
            shutil.rmtree(final, ignore_errors=True)
            os.rename(draft, final)
            sync_folder(self.folder)
            failpoint.hit("checkpoint.after_rename")
            self._prune()

    def load(self) -> Checkpoint | None:
        """Return the newest one that is whole, or None; damaged ones are passed over."""
        for path in reversed(self._steps()):
            found = _read(path)
            if found is not None:
                self._constants = sha256_file(self.folder / CONSTANTS) if found.constants else None
                return found
        return None

    def drop(self) -> None:
        """Delete all of them (the run is finished, or is to begin anew)."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._constants = None

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return bool(self._steps())

    def drop_steps(self) -> None:
        """Delete all of them, and leave what was noted for people."""
        for path in self._steps():
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / CONSTANTS).unlink(missing_ok=True)
        self._constants = None
        with contextlib.suppress(OSError):  # there are notes, or there is no folder
            self.folder.rmdir()

    def note(self, name: str, text: str) -> Path:
        """Write a file for people beside the checkpoints; return its path."""
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / name
            path.write_text(text, encoding="utf-8")
        return path

    def _keep(self, constants: Mapping[str, Tensor], draft: Path) -> str | None:
        """Write the constants beside the checkpoints, once; return their sha256, or None where there are none."""
        if not constants:
            return None
        if self._constants is None:
            file = draft / CONSTANTS
            write_tensors(file, constants)
            sync_file(file)
            digest = sha256_file(file)
            os.rename(file, self.folder / CONSTANTS)
            self._constants = digest
        return self._constants

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []

    def _prune(self) -> None:
        for path in self._steps()[:-KEEP]:
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("tmp-*"):  # drafts of killed writers; ours has just been renamed
            shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> Checkpoint | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file, beside = path / "tensors.safetensors", path.parent / CONSTANTS
    try:
        record = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["sha256"] != sha256_file(file):
            return None
        if record["constants"] is not None and record["constants"] != sha256_file(beside):
            return None
        constants = {} if record["constants"] is None else load_file(beside)
        return Checkpoint(int(record["step"]), load_file(file), dict(record["state"]), constants)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
