"""Weightings against their formulas row by row; blocks do not change neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.nn import neighbours
from reccli.nn.neighbours import LARGEST, by_power, nearest, power_of, weighted


def counts() -> np.ndarray:
    draw = np.random.default_rng(5)
    return (draw.integers(1, 4, (9, 6)) * (draw.random((9, 6)) < 0.5)).astype(np.float32)


@pytest.mark.parametrize("weighting", ["none", "tf-idf", "bm25"])
def test_weightings_are_their_formulas(weighting: str) -> None:
    dense = counts()
    got = weighted(csr_matrix(dense), weighting).toarray()
    mean = (dense > 0).sum() / len(dense)
    for n, row in enumerate(dense):
        for c, x in enumerate(row):
            met, length = (dense[:, c] > 0).sum(), (row > 0).sum()
            wanted = {
                "none": x,
                "tf-idf": math.sqrt(x) * max(math.log(9 / (1 + met)), 0),
                "bm25": x * 2.2 / (x + 1.2 * (0.25 + 0.75 * length / mean)) * math.log1p((9 - met + 0.5) / (met + 0.5))
                if x
                else 0,
            }[weighting]
            assert got[n, c] == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("entries", [1, 12, 10**6])
def test_blocks_do_not_matter(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = counts()
    dense[4] = 0
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", entries)
    got = nearest(csr_matrix(dense), csr_matrix(dense), 2, same=True).toarray()
    product = dense @ dense.T
    np.fill_diagonal(product, 0)
    for row, kept in zip(product, got, strict=True):
        order = sorted((m for m in range(9) if row[m]), key=lambda m: (-row[m], m))[:2]
        wanted = np.zeros(9)
        wanted[order] = row[order]
        np.testing.assert_allclose(kept, wanted)


def test_no_rows_have_no_neighbours() -> None:
    assert nearest(csr_matrix((0, 3), dtype=np.float32), csr_matrix((2, 3), dtype=np.float32), 1).shape == (0, 2)


def test_powers_of_sizes_near_0_are_numbers_that_single_ones_hold() -> None:
    size_N = np.array([0.0, 4.0, 1e-30, 1e-300])
    assert power_of(size_N, -0.5).tolist() == [0.0, 0.5, pytest.approx(1e15), LARGEST]
    assert power_of(size_N, -2.0).tolist() == [0.0, 1 / 16, LARGEST, LARGEST]
    assert np.isfinite(by_power(csr_matrix(np.ones((4, 2), np.float32)), size_N, -2.0).data).all()
