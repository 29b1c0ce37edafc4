"""The workspace directory: its runs found, and drafts made current, by one writer at a time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from reccli import failpoint
from reccli.errors import ConfigError, DamagedArtifactError, MissingArtifactError
from reccli.manifest import Manifest
from reccli.workspace.draft import Draft
from reccli.workspace.lock import held
from reccli.workspace.storage import storage_errors, sync_folder, write_synced
from reccli.workspace.version import Version, damaged, open_version

__all__ = ["SEARCHES", "STAGES", "Workspace"]

STAGES = ("prepare", "pretrain", "finetune", "evaluate", "recommend")
SEARCHES = ("tune", "ensemble")
"""What is stored like the stages' outputs without being a link of their chain."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Workspace:
    """A workspace directory.

    Args:
        path: The directory; it is made by the first writer.
        verify: Check sha256 of every file of a version that is read (its size always).

    Raises:
        ConfigError: A file is there.
    """

    def __init__(self, path: Path | str, *, verify: bool = True) -> None:
        self.path = Path(path)
        self.verify = verify
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"workspace {self.path} is a file, and no folder", hint="--workspace FOLDER")

    @property
    def inner(self) -> Path:
        """The folder of locks and drafts."""
        return self.path / ".reccli"

    @property
    def cache(self) -> Path:
        """Folder for caches keyed by content; may be deleted at any time."""
        return self.inner / "cache"

    # Reading ---------------------------------------------------------------------------------------------------------

    def current(self, stage: str, name: str | None = None, *, verify: bool | None = None) -> Version:
        """Return the current version of a stage's run (of the last committed run without a name).

        Raises:
            MissingArtifactError: The stage has not run under this name.
            DamagedArtifactError: The version differs from its manifest.
        """
        if name is None:
            name = self.last_run(stage)
        if name is None or not (self._home(stage, name) / "CURRENT").is_file():
            known = self.runs(stage)
            what = f"{stage} has not run in workspace {self.path}" if not known else f"no {stage} run called '{name}'"
            listing = f" ({', '.join(known)})" if known else ""
            raise MissingArtifactError(what + listing, hint=f"reccli {stage}" if not known else "reccli status")
        pointer = (self._home(stage, name) / "CURRENT").read_text(encoding="utf-8", errors="replace").strip()
        if not FINGERPRINT.fullmatch(pointer):
            raise damaged(self._home(stage, name) / "CURRENT", f"is not a version: {pointer[:40]!r}", stage)
        return open_version(self._home(stage, name) / pointer, stage, verify=self.verify if verify is None else verify)

    def find(self, stage: str, name: str, fingerprint: str) -> Version | None:
        """Return a committed version by fingerprint if it is there and whole, else None."""
        path = self._home(stage, name) / fingerprint
        if not path.is_dir():
            return None
        try:
            return open_version(path, stage, verify=True)
        except DamagedArtifactError:
            return None

    def runs(self, stage: str) -> list[str]:
        """Sorted names of a stage's runs."""
        home = self.path / stage
        if not home.is_dir():
            return []
        return sorted(path.name for path in home.iterdir() if (path / "CURRENT").is_file())

    def last_run(self, stage: str) -> str | None:
        """Name of the run committed last, by its manifest's time, or None."""
        finished = []
        for name in self.runs(stage):
            with contextlib.suppress(DamagedArtifactError, MissingArtifactError):
                finished.append((self.current(stage, name, verify=False).manifest.finished, name))
        if not finished:
            return next(iter(self.runs(stage)), None)
        return max(finished)[1]

    @staticmethod
    def check_name(name: str) -> None:
        """Refuse what is no name of a run.

        Raises:
            ConfigError: It has other characters than letters, digits, dot, dash and underscore.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"run name '{name}' is not letters, digits, dot, dash and underscore")

    def _home(self, stage: str, name: str) -> Path:
        self.check_name(name)
        home = self.path / stage / name
        for part in (self.path / stage, home, home / "CURRENT"):
            if part.is_symlink():
                raise damaged(part, "is a symbolic link; the workspace holds none", stage)
        return home

    # Writing ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self, *, timeout: float = 0.0) -> Iterator[None]:
        """Hold the workspace's lock; leftovers of killed writers are swept first.

        Raises:
            LockedError: Another run holds it for longer than `timeout` seconds.
        """
        with storage_errors(self.path):
            if self.inner.is_symlink():
                raise damaged(self.inner, "is a symbolic link; the workspace holds none", "prepare")
            (self.inner / "tmp").mkdir(parents=True, exist_ok=True)
        with held(self.path, self.inner, timeout=timeout):
            self._sweep()
            yield

    @contextlib.contextmanager
    def draft(self, stage: str) -> Iterator[Draft]:
        """Give a folder to write a version into; it is deleted unless committed. Call inside `writing`."""
        path = self.inner / "tmp" / uuid.uuid4().hex
        with storage_errors(self.path):
            path.mkdir(parents=True)
        try:
            yield Draft(path, stage)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def commit(self, draft: Draft, name: str, manifest: Manifest) -> Version:
        """Make a draft the current version of a run: fsync data, write the manifest, rename, swap CURRENT.

        The manifest's `outputs`, `finished` and `libraries` are filled in.
        """
        stage = draft.stage
        home = self._home(stage, name)
        final = home / manifest.fingerprint
        with storage_errors(self.path):
            draft.seal(manifest)
            home.mkdir(parents=True, exist_ok=True)
            failpoint.hit(f"{stage}.before_rename")
            if final.exists():  # a damaged or forced version of the same content: set aside, then gone with the drafts
                os.rename(final, self.inner / "tmp" / uuid.uuid4().hex)
            os.rename(draft.path, final)
            sync_folder(home)
            failpoint.hit(f"{stage}.before_current")
            self.point(stage, name, manifest.fingerprint)
            failpoint.hit(f"{stage}.after_current")
            self._sweep()
        return Version(final, manifest)

    def point(self, stage: str, name: str, fingerprint: str) -> None:
        """Make a committed version the current one (an older one too)."""
        home = self._home(stage, name)
        scratch = self.inner / "tmp" / f"{uuid.uuid4().hex}.current"
        with storage_errors(self.path):
            write_synced(scratch, f"{fingerprint}\n")
            os.replace(scratch, home / "CURRENT")
            sync_folder(home)

    def _sweep(self) -> None:
        """Delete drafts that killed writers left; the lock is held, so none is alive."""
        for path in (self.inner / "tmp").iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
