"""Conformance of readers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reccli.api import Reader, Table
from reccli.testing.conformance import Conformance

__all__ = ["ReaderConformance"]

HEAD = 64 * 1024


class ReaderConformance(Conformance):
    """Every check of a reader; a subclass writes one small sample.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with.
    """

    kind = "reader"

    def write_sample(self, folder: Path) -> Path:
        """Write a small valid file (or folder) of the format and return its path."""
        raise NotImplementedError(f"{type(self).__name__}.write_sample")

    def sample_rows(self) -> Sequence[Sequence[object]]:
        """Return the rows that the sample holds, in order, as the reader should give them."""
        raise NotImplementedError(f"{type(self).__name__}.sample_rows")

    def test_is_a_reader(self) -> None:
        """It is a subclass of `reccli.api.Reader` with a whole number as its priority."""
        self.expect(issubclass(self.component_class, Reader), "not a subclass of reccli.api.Reader")
        self.expect(type(self.component_class.priority) is int, "priority must be an int")

    def test_recognises_its_own_format_alone(self) -> None:
        """It says yes to the sample, and no to a picture."""
        with self._sample() as path:
            self.expect(self.build().recognises(path, _head(path)) is True, f"does not recognise {path.name}")
        picture = bytes([137]) + b"PNG\r\n\x1a\n" + bytes(range(256))
        self.expect(not self.build().recognises(Path("picture.png"), picture), "takes a PNG picture for its format")

    def test_reads_the_sample(self) -> None:
        """The table is lazy, holds exactly the sample's rows, and its roles name columns of it."""
        import polars as pl

        with self._sample() as path:
            table = self._open(path)
            self.expect(isinstance(table.frame, pl.LazyFrame), f"frame is {type(table.frame).__name__}, not LazyFrame")
            self.expect(table.first_line >= 1, f"first_line is {table.first_line}")
            frame = table.frame.collect()
            expected = [tuple(row) for row in self.sample_rows()]
            self.expect(frame.rows() == expected, f"read {frame.rows()[:3]}, the sample has {expected[:3]}")
            strange = sorted(set(table.roles.values()) - set(frame.columns))
            self.expect(not strange, f"roles name columns that are not there: {strange}")
            self.expect(not table.bad_rows, f"finds bad rows in the sample: {table.bad_rows[:3]}")

    def test_reads_it_twice(self) -> None:
        """Opening and collecting again gives the same."""
        with self._sample() as path:
            first, second = self._open(path), self._open(path)
            same = first.frame.collect().equals(second.frame.collect())
            self.expect(same and first.found == second.found, "a second reading differs")

    def test_leaves_the_file_alone(self) -> None:
        """Nothing beside the sample is created, and the sample stays as it was."""
        with self._sample() as path:
            folder = path if path.is_dir() else path.parent
            before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
            self._open(path).frame.collect()
            after = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
            self.expect(before == after, "reading changes files")

    @contextmanager
    def _sample(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            yield self.write_sample(Path(folder))

    def _open(self, path: Path) -> Table:
        table: Any = self.build().open(path, delimiter=None, encoding=None, header=None)
        self.expect(isinstance(table, Table), f"open returned {type(table).__name__}, not Table")
        return table  # type: ignore[no-any-return]


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    with path.open("rb") as file:
        return file.read(HEAD)
