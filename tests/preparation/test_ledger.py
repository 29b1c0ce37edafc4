"""Rows in = rows kept + rows dropped, or it is a bug."""

from __future__ import annotations

import pytest

from reccli.errors import ReccliError
from reccli.preparation.ledger import Ledger, Place
from reccli.schemas import check_frame


def test_one_row_per_reason_with_the_earliest_place() -> None:
    ledger = Ledger(rows_in=10)
    ledger.drop("no user id", 2, place=Place("r.csv", 7, ",5"))
    ledger.drop("duplicate", 1, first_row=6)
    ledger.drop("duplicate", 2, first_row=3)
    ledger.drop("never", 0, first_row=1)
    ledger.check(5)
    assert ledger.unplaced() == [3]
    ledger.settle([3], [Place("r.csv", 5, "1,2")])
    assert check_frame("rejected", ledger.frame()).rows() == [
        ("no user id", 2, "r.csv", 7, ",5"),
        ("duplicate", 3, "r.csv", 5, "1,2"),
    ]
    assert ledger.counts() == {"dropped.no user id": 2, "dropped.duplicate": 3}


def test_a_broken_law_is_a_bug() -> None:
    ledger = Ledger(rows_in=10)
    ledger.drop("duplicate", 1, first_row=0)
    with pytest.raises(ReccliError, match=r"bug: 10 rows came in and 8 were kept, .* duplicate 1") as caught:
        ledger.check(8)
    assert caught.value.exit_code == 1


def test_an_empty_ledger_is_an_empty_artifact() -> None:
    assert check_frame("rejected", Ledger().frame()).height == 0
