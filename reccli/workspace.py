"""The workspace: versions of stage outputs, committed whole or not at all, and verified when read.

Layout (all paths inside the workspace are relative, so it may be moved or copied)::

    .reccli/lock                    flock, held by the one writer
    .reccli/holder.json             who holds it; information only, never trusted
    .reccli/tmp/<uuid>/             drafts; renamed into place when complete
    <stage>/<name>/<fingerprint>/   immutable version: data files, and manifest.json written last
    <stage>/<name>/CURRENT          one line, the current fingerprint
    logs/                           logs, checkpoints and searches under way, outside the guarantees
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli import failpoint
from reccli.errors import ConfigError, DamagedArtifactError, LockedError, MissingArtifactError, StorageError
from reccli.manifest import FORMAT, Manifest, digest_json, sha256_file, versions

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SEARCHES", "STAGES", "Draft", "Version", "Workspace", "elapsed", "fingerprint", "storage_errors"]

STAGES = ("prepare", "pretrain", "finetune", "evaluate", "recommend")
SEARCHES = ("tune", "ensemble")
"""What is stored like the stages' outputs without being a link of their chain."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Version:
    """One committed version of a stage's output."""

    path: Path
    manifest: Manifest

    @property
    def fingerprint(self) -> str:
        """The version's directory name: a digest of everything that determines its content."""
        return self.path.name

    @property
    def name(self) -> str:
        """Name of the run, as in `--name`."""
        return self.path.parent.name

    @property
    def key(self) -> str:
        """Stage and run name, as manifests name parents."""
        return f"{self.manifest.stage}/{self.name}"

    def file(self, name: str) -> Path:
        """Path of one of its files.

        Raises:
            MissingArtifactError: The version has no such file.
        """
        if name not in self.manifest.outputs:
            raise MissingArtifactError(f"{self.manifest.stage}/{self.name} has no {name}")
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether the version has a file of this name."""
        return name in self.manifest.outputs

    def read(self, artifact: str, columns: list[str] | None = None) -> pl.DataFrame:
        """Read one Parquet artifact (checked against its schema when read whole)."""
        import polars as pl

        from reccli.schemas import check_frame

        try:
            frame = pl.read_parquet(self.file(f"{artifact}.parquet"), columns=columns)
        except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
            raise _damaged(
                self.path / f"{artifact}.parquet", f"cannot be read: {error}", self.manifest.stage
            ) from error
        return frame if columns is not None else check_frame(artifact, frame)


class Draft:
    """A version being written, in a folder of its own."""

    def __init__(self, path: Path, stage: str) -> None:
        self.path = path
        self.stage = stage

    def write(self, artifact: str, frame: pl.DataFrame) -> None:
        """Write one Parquet artifact, checked against its schema."""
        from reccli.schemas import check_frame

        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            check_frame(artifact, frame).write_parquet(
                self.path / f"{artifact}.parquet", compression="zstd", compression_level=1
            )
        failpoint.hit(f"{self.stage}.after_write")

    def write_tensors(self, name: str, tensors: Mapping[str, Any]) -> None:
        """Write tensors as safetensors."""
        from reccli.tensor_files import write_tensors

        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            write_tensors(self.path / name, tensors)
        failpoint.hit(f"{self.stage}.after_write")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, UTF-8."""
        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            (self.path / name).write_text(text, encoding="utf-8")


class Workspace:
    """A workspace directory.

    Args:
        path: The directory; it is made by the first writer.
        verify: Check sha256 of every file of a version that is read (its size always).
    """

    def __init__(self, path: Path | str, *, verify: bool = True) -> None:
        self.path = Path(path)
        self.verify = verify

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
            raise _damaged(self._home(stage, name) / "CURRENT", f"is not a version: {pointer[:40]!r}", stage)
        return self._open(self._home(stage, name) / pointer, stage, self.verify if verify is None else verify)

    def find(self, stage: str, name: str, fingerprint: str) -> Version | None:
        """Return a committed version by fingerprint if it is there and whole, else None."""
        path = self._home(stage, name) / fingerprint
        if not path.is_dir():
            return None
        try:
            return self._open(path, stage, verify=True)
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

    def _home(self, stage: str, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ConfigError(f"run name '{name}' is not letters, digits, dot, dash and underscore")
        home = self.path / stage / name
        for part in (self.path / stage, home, home / "CURRENT"):
            if part.is_symlink():
                raise _damaged(part, "is a symbolic link; the workspace holds none", stage)
        return home

    def _open(self, path: Path, stage: str, verify: bool) -> Version:
        manifest = Manifest.read(path / "manifest.json", stage)
        if manifest.fingerprint != path.name:
            raise _damaged(path / "manifest.json", f"belongs to version {manifest.fingerprint}", stage)
        for name, output in manifest.outputs.items():
            file = path / name
            if file.is_symlink() or not file.is_file():
                raise _damaged(file, "is missing", stage)
            size = file.stat().st_size
            if size != output.bytes:
                raise _damaged(file, f"has {size} bytes, committed with {output.bytes}", stage)
            if verify and sha256_file(file) != output.sha256:
                raise _damaged(file, "differs from what was committed (sha256)", stage)
        return Version(path, manifest)

    # Writing ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self, *, timeout: float = 0.0) -> Iterator[None]:
        """Hold the workspace's lock; leftovers of killed writers are swept first.

        Raises:
            LockedError: Another run holds it for longer than `timeout` seconds.
        """
        from filelock import FileLock, Timeout

        with storage_errors(self.path):
            if self.inner.is_symlink():
                raise _damaged(self.inner, "is a symbolic link; the workspace holds none", "prepare")
            (self.inner / "tmp").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.inner / "lock")
        try:
            with storage_errors(self.path):
                lock.acquire(timeout=timeout)
        except Timeout:
            raise LockedError(
                f"workspace {self.path} is in use by {self._holder()}",
                hint="wait, or give --lock-timeout SECONDS",
            ) from None
        try:
            self._sweep()
            with storage_errors(self.path):
                holder = {
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "command": sys.argv[1:2],
                    "started": _now(),
                }
                (self.inner / "holder.json").write_text(json.dumps(holder), encoding="utf-8")
            yield
        finally:
            with contextlib.suppress(OSError):
                (self.inner / "holder.json").unlink(missing_ok=True)
            lock.release()

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

        The manifest's `outputs`, `finished` and `libraries` are filled in here.
        """
        stage = draft.stage
        home = self._home(stage, name)
        final = home / manifest.fingerprint
        with storage_errors(self.path):
            self._fill(draft, manifest)
            failpoint.hit(f"{stage}.before_manifest")
            _write_synced(draft.path / "manifest.json", manifest.to_json())
            _sync_folder(draft.path)
            home.mkdir(parents=True, exist_ok=True)
            failpoint.hit(f"{stage}.before_rename")
            if final.exists():  # a damaged or forced version of the same content: set aside, then gone with the drafts
                os.rename(final, self.inner / "tmp" / uuid.uuid4().hex)
            os.rename(draft.path, final)
            _sync_folder(home)
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
            _write_synced(scratch, f"{fingerprint}\n")
            os.replace(scratch, home / "CURRENT")
            _sync_folder(home)

    def _fill(self, draft: Draft, manifest: Manifest) -> None:
        manifest.outputs.clear()
        for file in sorted(path for path in draft.path.rglob("*") if path.is_file()):
            _sync_file(file)
            manifest.add_output(file, file.relative_to(draft.path).as_posix())
        failpoint.hit(f"{draft.stage}.after_fsync")
        manifest.format = FORMAT
        manifest.finished = _now()
        manifest.libraries = versions()

    def _sweep(self) -> None:
        """Delete drafts that killed writers left; the lock is held, so none is alive."""
        for path in (self.inner / "tmp").iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            holder = json.loads((self.inner / "holder.json").read_text(encoding="utf-8"))
            command = " ".join(["reccli", *holder["command"]])
            return f"'{command}' (pid {holder['pid']} on {holder['host']}, since {holder['started']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another run"


@contextlib.contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the many shapes in which libraries report a failing disk into one `StorageError` with the place."""
    try:
        yield
    except Exception as error:
        reason = _storage_reason(error, place)
        if reason is None:
            raise
        raise StorageError(
            f"{reason}: {place}", hint="free space or fix the permission, then run the command again"
        ) from error


def _storage_reason(error: BaseException, place: Path) -> str | None:
    code = getattr(error, "errno", None)
    found = re.search(r"os error (\d+)", str(error))
    if code is None and found:
        code = int(found.group(1))
    if code is not None and isinstance(code, int):
        return f"{os.strerror(code)}"
    writes = (
        "requested and",
        "unexpected pos",
        "write error",
    )  # numpy, torch and faiss say no more than this
    parent = next((p for p in (place, *place.parents) if p.exists()), Path("/"))
    if any(text in str(error) for text in writes) and shutil.disk_usage(parent).free < 1 << 20:
        return "No space left on device"
    return None


def _damaged(path: Path, what: str, stage: str) -> DamagedArtifactError:
    return DamagedArtifactError(f"{path} {what}", hint=f"rebuild it: reccli {stage} --force")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fingerprint(stage: str, determinants: Mapping[str, Any]) -> str:
    """Digest everything that determines a version's content: settings that matter, inputs, code versions, seed."""
    return digest_json({"format": FORMAT, "stage": stage, **determinants})[:16]


def elapsed(start: float) -> float:
    """Seconds since a `time.monotonic()` reading."""
    return time.monotonic() - start
