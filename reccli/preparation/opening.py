"""Opening the files that a user gives, and those found beside them, with the columns that play each role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reccli import registry
from reccli.api.reader import Table
from reccli.errors import ConfigError, ReccliError
from reccli.manifest import digest_json, sha256_file
from reccli.preparation.reading import Source
from reccli.preparation.splits import TEST, TRAIN, VALID

if TYPE_CHECKING:
    from reccli.settings import PrepareSettings

__all__ = ["Given", "Opened", "SideFile", "open_all", "stamp"]

NOTHING = "none"
"""As the name of a column: there is none, whatever would be found."""
OPTIONAL = ("value", "time", "event")


class Given(Protocol):
    """Files as the user gives them."""

    @property
    def interactions(self) -> tuple[Path, ...]: ...  # noqa: D102

    @property
    def items(self) -> Path | None: ...  # noqa: D102

    @property
    def users(self) -> Path | None: ...  # noqa: D102

    @property
    def triples(self) -> Path | None: ...  # noqa: D102

    @property
    def valid(self) -> Path | None: ...  # noqa: D102

    @property
    def test(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True)
class SideFile:
    """A file beside the interactions, and its columns by role."""

    table: Table
    roles: Mapping[str, str]


@dataclass
class Opened:
    """Everything opened.

    Args:
        interactions: Interaction files with roles and parts.
        items: Items file.
        users: Users file.
        triples: Triples file.
        files: Paths by role, for fingerprints.
        stamps: Identity, size and time of each file when it was opened.
        digests: Digests by role, made in the background while files are examined.
        components: Readers used, as kind:name -> distribution and version.
        notes: Warnings.
    """

    interactions: list[Source] = field(default_factory=list)
    items: SideFile | None = None
    users: SideFile | None = None
    triples: SideFile | None = None
    files: dict[str, Path] = field(default_factory=dict)
    stamps: dict[Path, tuple[int, int, int]] = field(default_factory=dict)
    digests: dict[str, Future[str]] = field(default_factory=dict)
    components: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def open_all(given: Given, settings: PrepareSettings, *, scratch: Path) -> Opened:
    """Open all files and find the roles of their columns.

    A file that the user names must be readable; one that was merely found beside the ratings, and is not, costs a
    warning.

    Raises:
        ConfigError: No file is given, or parts are given twice.
        DataError: A file cannot be read, or a column that is needed is not there.
    """
    if not given.interactions:
        raise ConfigError("no file with interactions is given", hint="reccli prepare ratings.csv")
    with ThreadPoolExecutor(1) as pool:
        return _Opener(settings, scratch, pool).open_all(given)


class _Opener:
    """Opens files one by one; their digests are made in the background meanwhile."""

    def __init__(self, settings: PrepareSettings, scratch: Path, pool: ThreadPoolExecutor) -> None:
        self.off = [role for role in OPTIONAL if getattr(settings, f"{role}_column") == NOTHING]
        self.settings = settings.model_copy(update={f"{role}_column": None for role in self.off})
        self.scratch = scratch
        self.pool = pool
        self.opened = Opened()

    def open_all(self, given: Given) -> Opened:
        companions: dict[str, Path] = {}
        for number, path in enumerate(given.interactions):
            source = self.interactions(path, f"interactions.{number}" if number else "interactions")
            companions = {**_beside(path, source.table), **companions}
        self.parts(given, companions)
        for kind in ("items", "users", "triples"):
            path = getattr(given, kind)
            if path is not None:
                setattr(self.opened, kind, self.side(path, kind))
            elif kind in companions:
                self.beside(companions[kind], kind)
        return self.opened

    def parts(self, given: Given, companions: Mapping[str, Path]) -> None:
        """Open given validation and test files; those of the format itself only where no other split is asked for."""
        explicit = {part: path for part, path in (("valid", given.valid), ("test", given.test)) if path is not None}
        found = {part: companions[part] for part in ("valid", "test") if part in companions}
        by_column = self.settings.split_column
        files = explicit or (found if self.settings.split in ("auto", "given") and not by_column else {})
        if not files:
            return
        if by_column:
            raise ConfigError("parts are given as files and as a column", hint="leave out --split-column")
        self.opened.interactions = [Source(source.table, source.roles, TRAIN) for source in self.opened.interactions]
        for part, path in files.items():
            self.interactions(path, part, {"valid": VALID, "test": TEST}[part])

    def interactions(self, path: Path, label: str, part: int | None = None) -> Source:
        table, roles = self.table(path, "interactions", label)
        for role in self.off:
            roles.pop(role, None)
        if not self.settings.event_weights:
            roles.pop("event", None)
        named = roles.pop("split", None)
        if named and part is None and (self.settings.split_column or self.settings.split == "given"):
            roles["part"] = named
        elif named and part is None:
            self.opened.notes.append(
                f"{table.path.name}: column '{named}' is not used (--split given takes the parts from it)"
            )
        source = Source(table, roles, part)
        self.opened.interactions.append(source)
        return source

    def side(self, path: Path, kind: str) -> SideFile:
        return SideFile(*self.table(path, kind, kind))

    def beside(self, path: Path, kind: str) -> None:
        """Open a file that was merely found."""
        try:
            setattr(self.opened, kind, self.side(path, kind))
        except ReccliError as error:
            self.opened.notes.append(f"{path.name} lies beside the ratings and is not used: {error.message}")
            for file in files_of(self.opened.files.pop(kind)):
                self.opened.stamps.pop(file, None)

    def table(self, path: Path, kind: str, label: str) -> tuple[Table, dict[str, str]]:
        from reccli.intake import open_table
        from reccli.intake.roles import assign

        self.opened.files[label] = path
        for file in files_of(path):
            self.opened.stamps[file] = stamp(file)
        if files_of(path):
            self.opened.digests[label] = self.pool.submit(digest, files_of(path))
        before = set(files_of(self.scratch))
        table = open_table(path, self.settings, kind=kind, scratch=self.scratch)
        if label not in self.opened.digests:  # what came through a pipe lies in the scratch folder now
            spooled = sorted(set(files_of(self.scratch)) - before)
            self.opened.digests[label] = self.pool.submit(digest, spooled)
        self.opened.components |= registry.provenance([("reader", table.found["reader"])])
        return table, assign(table, self.settings, kind)


def _beside(path: Path, table: Table) -> dict[str, Path]:
    from reccli.intake import find_companions

    return {**find_companions(path), **table.companions}


def files_of(path: Path) -> list[Path]:
    """The regular files behind a path: itself, or those of a folder; none behind a pipe."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    return [path] if path.is_file() else []


def digest(files: Sequence[Path]) -> str:
    """Digest the content of a file, or of the files of a folder with their names."""
    if len(files) == 1:
        return sha256_file(files[0])
    return digest_json([[file.name, sha256_file(file)] for file in files])


def stamp(path: Path) -> tuple[int, int, int]:
    """Identity, size and time of a file."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
