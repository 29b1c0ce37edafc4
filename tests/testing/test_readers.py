"""The readers' kit finds the fault of each of these readers."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.api import Reader, Table
from reccli.testing import ReaderConformance


class Pipes(Reader):
    """Reads lines such as `a|b`."""

    def recognises(self, path, head):
        return path.suffix == ".pipes"

    def open(self, path, *, delimiter, encoding, header):
        rows = [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()]
        return Table(pl.LazyFrame(rows, schema=["user", "item"], orient="row"), path, roles={"user": "user"})


class Greedy(Pipes):
    """Takes everything."""

    def recognises(self, path, head):
        return True


class Shy(Pipes):
    """Takes nothing."""

    def recognises(self, path, head):
        return False


class Eager(Pipes):
    """Collects at once."""

    def open(self, path, **options):
        table = super().open(path, **options)
        return Table(table.frame.collect(), path)


class LosesARow(Pipes):
    """Takes the first row for names."""

    def open(self, path, **options):
        table = super().open(path, **options)
        return Table(table.frame.slice(1), path)


class StrangeRoles(Pipes):
    """Names a column that is not there."""

    def open(self, path, **options):
        return Table(super().open(path, **options).frame, path, roles={"user": "reader"})


class LeavesCrumbs(Pipes):
    """Writes beside the file."""

    def open(self, path, **options):
        path.with_suffix(".cache").write_text("crumbs")
        return super().open(path, **options)


class NoTable(Pipes):
    """Gives a frame."""

    def open(self, path, **options):
        return super().open(path, **options).frame


class PipesKit(ReaderConformance):
    def write_sample(self, folder):
        path = folder / "sample.pipes"
        path.write_text("u1|i1\nu2|i9\n", encoding="utf-8")
        return path

    def sample_rows(self):
        return [("u1", "i1"), ("u2", "i9")]


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (str, "test_is_a_reader", "not a subclass"),
        (Greedy, "test_recognises_its_own_format_alone", "PNG"),
        (Shy, "test_recognises_its_own_format_alone", "does not recognise sample.pipes"),
        (Eager, "test_reads_the_sample", "not LazyFrame"),
        (LosesARow, "test_reads_the_sample", "the sample has"),
        (StrangeRoles, "test_reads_the_sample", "'reader'"),
        (NoTable, "test_reads_it_twice", "not Table"),
        (LeavesCrumbs, "test_leaves_the_file_alone", "changes files"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(PipesKit, component, check, match)


def test_a_good_reader_passes_every_check(passes):
    assert len(passes(PipesKit, Pipes)) == 10
