"""Draws depend on ids and seed alone, and look random."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from reccli.preparation.draws import BASE, LENGTH, digest_ids, mix, pair_draws

MASK = (1 << 64) - 1
GOLDEN = [4929507733258009371, 12074381520760730930]
"""Splits made by an earlier version must not change."""


def literal_digest(text: str) -> int:
    data = text.encode()
    total = sum(byte * pow(BASE, place + 1, 1 << 64) for place, byte in enumerate(data))
    return int(mix(np.array([(total + len(data) * LENGTH) & MASK], np.uint64))[0])


def test_digest_equals_the_sum_written_out() -> None:
    names = ["", "a", "ab", "ba", "é", "x" * 1000, "007", "7", "a\0", "漢字"]
    assert digest_ids(pl.Series(names)).tolist() == [literal_digest(name) for name in names]


def test_digest_of_many_ids_does_not_depend_on_their_company(monkeypatch: pytest.MonkeyPatch) -> None:
    names = pl.Series([f"user {number}" for number in range(1000)])
    whole = digest_ids(names)
    monkeypatch.setattr("reccli.preparation.draws.CHUNK", 7)
    assert digest_ids(names).tolist() == whole.tolist()
    assert digest_ids(names[500:510]).tolist() == whole[500:510].tolist()
    assert len(np.unique(whole)) == 1000
    assert len(digest_ids(names[:0])) == 0


def test_draws_are_even_and_change_with_seed_and_purpose() -> None:
    digest = digest_ids(pl.Series([str(number) for number in range(20_000)]))
    drawn = pair_draws(digest, digest[::-1], 1, "split")
    shares = np.bincount((drawn >> np.uint64(61)).astype(np.int64), minlength=8) / len(drawn)
    assert np.abs(shares - 1 / 8).max() < 0.01
    for other in (pair_draws(digest, digest[::-1], 2, "split"), pair_draws(digest, digest[::-1], 1, "other")):
        assert abs(((drawn ^ other) & np.uint64(1)).mean() - 0.5) < 0.02


def test_draws_are_fixed_for_ever() -> None:
    digest = digest_ids(pl.Series(["1", "2"]))
    assert pair_draws(digest, None, 42, "split random").tolist() == GOLDEN
