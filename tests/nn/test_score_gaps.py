"""Blocks of differences give the values and gradients of the literal loop."""

from __future__ import annotations

import pytest
import torch

from reccli.nn import score_gaps
from reccli.nn.score_gaps import mean_logistic_gap


def literal(score_GN, positive_B, place_B, known_GN, scale, counts):
    values = []
    for b in range(len(positive_B)):
        g = b if place_B is None else int(place_B[b])
        drawn = [n for n in range(score_GN.shape[1]) for _ in range(counts[n])]
        valid = [n for n in drawn if known_GN is None or not bool(known_GN[g, n])]
        terms = [(1 + (scale * (score_GN[g, n] - positive_B[b])).exp()).log() for n in valid]
        values.append(sum(terms, torch.zeros((), dtype=score_GN.dtype)) / max(len(valid), 1) + 0.0 * positive_B[b])
    return torch.stack(values)


def inputs_of(rows: int = 7, users: int = 3, negatives: int = 5):
    generator = torch.Generator().manual_seed(1)
    score_GN = torch.randn(users, negatives, generator=generator, dtype=torch.float64).requires_grad_()
    positive_B = torch.randn(rows, generator=generator, dtype=torch.float64).requires_grad_()
    known_GN = torch.rand(users, negatives, generator=generator) < 0.4
    known_GN[0] = True  # a user who knows all of them
    return score_GN, positive_B, torch.arange(rows) * 2 % users, known_GN


@pytest.mark.parametrize("block", [1, 5, 11, 1000])
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("counts", [None, [1, 3, 2, 1, 4]])
def test_equals_the_literal_loop(block, grouped, masked, counts):
    score_GN, positive_B, place_B, known_GN = inputs_of() if grouped else inputs_of(rows=4, users=4)
    rest = (place_B if grouped else None, known_GN if masked else None)
    count_N = None if counts is None else torch.tensor(counts, dtype=torch.float32)
    got_B = mean_logistic_gap(score_GN, positive_B, *rest, count_N=count_N, scale=1.7, block=block)
    expected_B = literal(score_GN, positive_B, *rest, 1.7, counts or [1] * 5)
    torch.testing.assert_close(got_B, expected_B, rtol=1e-12, atol=1e-12)
    weight_B = torch.linspace(-1.0, 2.0, len(got_B), dtype=torch.float64)
    for got, expected in zip(
        torch.autograd.grad((got_B * weight_B).sum(), [score_GN, positive_B], retain_graph=True),
        torch.autograd.grad((expected_B * weight_B).sum(), [score_GN, positive_B]),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_no_negatives_are_no_loss():
    score_GN, positive_B, place_B, known_GN = inputs_of(negatives=0)
    value_B = mean_logistic_gap(score_GN, positive_B, place_B, known_GN)
    assert value_B.tolist() == [0.0] * 7
    (gradient_B,) = torch.autograd.grad(value_B.sum(), [positive_B])
    assert not bool(gradient_B.any())


def test_no_more_than_a_block_is_held(monkeypatch):
    sizes = []
    gaps = score_gaps._gaps
    monkeypatch.setattr(score_gaps, "_gaps", lambda *a: (lambda r: (sizes.append(r[0].numel()), r)[1])(gaps(*a)))
    score_GN, positive_B, place_B, known_GN = inputs_of(rows=50, negatives=30)
    mean_logistic_gap(score_GN, positive_B, place_B, known_GN, block=100).sum().backward()
    assert max(sizes) <= 100
    assert sum(sizes) == 2 * 50 * 30
