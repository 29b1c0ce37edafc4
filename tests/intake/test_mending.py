"""Bad rows are set aside with their lines, also where they lie between tidy pieces."""

from __future__ import annotations

import pytest

from reccli.errors import DataError
from reccli.intake import mending
from reccli.intake.mending import mend, records, shortened
from reccli.intake.structure import Dialect

COMMA = Dialect(ord(","), 2)


def mended(content: str, *, quotes, start=0, line=1):
    return mend(content.encode(), COMMA, name="x", start=start, first_line=line, quotes=quotes)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("chunk", [8, 30, 1 << 20])
@pytest.mark.parametrize("at", [[0], [3], [9], [2, 3, 7]])
def test_tidy_pieces_pass_and_lines_are_kept(monkeypatch, quote, chunk, at):
    monkeypatch.setattr("reccli.intake.chunks.CHUNK", chunk)
    lines = [f"{quote}u{n}{quote},i{n}" for n in range(10)]
    for n in at:
        lines[n] += ",more"
    found = mended("skipped\n" + "\n".join(lines) + "\n", quotes=bool(quote), start=8, line=2)
    assert [line for line, _, _ in found.bad] == [n + 2 for n in at]
    assert found.line.tolist() == [n + 2 for n in range(10) if n not in at]
    assert len(found.source.splitlines()) == 10 - len(at)


def test_values_survive_being_written_again():
    found = mended('"a\r\nb","c ""d"""\ne\n"",\n"f\rg",\n', quotes=True)
    assert found.source == b'"a\r\nb","c ""d"""\r\n,\r\n"f\rg",\r\n'
    assert found.line.tolist() == [1, 4, 5]
    assert found.bad == [(3, "1 field instead of 2", "e")]


def test_there_is_an_end_to_bad_rows(monkeypatch):
    monkeypatch.setattr(mending, "MOST_BAD_ROWS", 3)
    with pytest.raises(DataError, match="more than 3 bad rows, the first in line 1: 1 field instead of 2") as error:
        mended("a\n" * 4, quotes=False)
    assert "--sep" in error.value.hint


def test_long_rows_are_shown_in_part():
    assert shortened("x" * 1000) == "x" * 200 + " ..."
    assert mended("y" * 1000 + "\n", quotes=False).bad[0][2].endswith(" ...")


def test_records_go_on_in_the_next_line_after_a_stray_quote(monkeypatch):
    monkeypatch.setattr(mending, "LONGEST_RECORD", 4)
    lines = ['a,"b\n', "c,d\n", "e,f\n", "g,h\n", "i,j\n", "\n", '"k"l,m\n', '"n\n', 'o",p\n']
    found = [(record.line, record.fields, record.lines, record.error) for record in records(lines, ",", first_line=5)]
    assert found == [
        (5, [], 1, "a quote is opened and never closed"),
        (6, ["c", "d"], 1, None),
        (7, ["e", "f"], 1, None),
        (8, ["g", "h"], 1, None),
        (9, ["i", "j"], 1, None),
        (10, [], 1, None),
        (11, [], 1, "text after a closing quote"),
        (12, ["n\no", "p"], 2, None),
    ]
