"""Health of vectors against literal loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reccli.nn.health import alignment, dead_share, effective_rank, mean_cosine, uniformity, unit


def draw(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_unit_vectors_have_length_one_and_zeros_stay() -> None:
    vector = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert unit(vector).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pairs_against_loops(dtype: torch.dtype) -> None:
    first, second = unit(draw(7, 3)), unit(draw(7, 3, seed=1))
    squares, cosines = [], []
    for x, y in zip(first.tolist(), second.tolist(), strict=True):
        squares.append(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))
        cosines.append(sum(a * b for a, b in zip(x, y, strict=True)))
    near = {"rel": 1e-5 if dtype == torch.float32 else 1e-12}
    given = first.to(dtype), second.to(dtype)
    assert alignment(*given) == pytest.approx(sum(squares) / 7, **near)
    assert mean_cosine(*given) == pytest.approx(sum(cosines) / 7, **near)
    for sharpness in (2.0, 0.5):
        expected = math.log(sum(math.exp(-sharpness * square) for square in squares) / 7)
        assert uniformity(*given, sharpness=sharpness) == pytest.approx(expected, **near)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_effective_rank_against_the_definition(shape: tuple[int, int], dtype: torch.dtype) -> None:
    vector = draw(*shape)
    values = np.linalg.svd(vector.numpy(), compute_uv=False)
    entropy = 0.0
    for value in values:
        share = value / values.sum()
        entropy -= share * math.log(share)
    assert effective_rank(vector.to(dtype)) == pytest.approx(math.exp(entropy), rel=1e-4)


def test_effective_rank_of_known_cases() -> None:
    assert effective_rank(torch.eye(6)) == pytest.approx(6.0)
    assert effective_rank(torch.ones(6, 4)) == pytest.approx(1.0, abs=1e-6)
    assert effective_rank(torch.zeros(6, 4)) == 0.0
    alike = torch.ones(500, 32) + 1e-7 * draw(500, 32).float()
    assert effective_rank(alike) == pytest.approx(1.0, abs=1e-6), "noise around one place is no rank"


def test_dead_dimensions_against_loops() -> None:
    vector = draw(50, 6)
    vector[:, 1] = 0.5 + 1e-4 * vector[:, 1]  # a constant, but for noise
    vector[:, 2] *= 1e-5  # small, and it tells vectors apart
    vector[:, 3] = 2.0
    vector[:, 4] *= 1e-9  # rounding of the others
    vector[:, 5] = 0.0
    columns = vector.T.tolist()
    whole = sum(value**2 for column in columns for value in column) / 50
    dead = []
    for column in columns:
        mean, square = sum(column) / 50, sum(value**2 for value in column) / 50
        variance = sum((value - mean) ** 2 for value in column) / 50
        dead.append(variance <= 1e-4 * square or square <= 1e-14 * whole)
    assert dead == [False, True, False, True, True, True]
    assert dead_share(vector) == pytest.approx(4 / 6)
    assert dead_share(torch.ones(5, 3)) == 1.0


def test_small_components_of_a_closed_form_are_not_dead() -> None:
    """As of EASE, whose components come in the order of their size."""
    assert dead_share(unit(draw(200, 40) * 0.8 ** torch.arange(40.0, dtype=torch.float64))) == 0.0
