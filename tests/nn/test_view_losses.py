"""Losses over two views against double loops, with gradients, and where there is nothing to tell apart."""

from __future__ import annotations

import math

import pytest
import torch

from reccli.nn.view_losses import pair_loss, view_loss


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b / a.norm() / b.norm()


def views(rows: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(rows, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    return first.requires_grad_(), second.requires_grad_()


def test_view_loss_against_a_double_loop() -> None:
    first, second = views()
    got = view_loss(first, second, 0.2)
    for x in range(6):
        scores = [math.exp(float(cosine(first[x], second[y]).detach()) / 0.2) for y in range(6)]
        assert float(got[x].detach()) == pytest.approx(-math.log(scores[x] / sum(scores)), rel=1e-9)
    assert torch.autograd.gradcheck(lambda a, b: view_loss(a, b, 0.3), (first, second))


@pytest.mark.parametrize("masked", [False, True])
def test_pair_loss_against_a_double_loop(masked: bool) -> None:
    first, second = views()
    same = torch.zeros(6, 6, dtype=torch.bool)
    same[0, 3] = same[3, 0] = masked
    got = pair_loss(first, second, 0.4, same if masked else None)
    both = [*first, *second]
    each = []
    for x in range(12):
        other = (x + 6) % 12
        kept = [y for y in range(12) if y == other or (y % 6 != x % 6 and not same[x % 6, y % 6])]
        scores = {y: (cosine(both[x], both[y]) / 0.4).exp() for y in kept}
        each.append(-(scores[other] / torch.stack(list(scores.values())).sum()).log())
    expected = torch.stack([(each[g] + each[g + 6]) / 2 for g in range(6)])
    torch.testing.assert_close(got, expected)
    for one, two in zip(*(torch.autograd.grad(v.sum(), (first, second)) for v in (got, expected)), strict=True):
        torch.testing.assert_close(one, two)


def test_with_nothing_to_tell_apart_it_is_zero_without_gradients() -> None:
    for rows, same in ((1, None), (3, torch.ones(3, 3, dtype=torch.bool))):
        first, second = views(rows)
        value = pair_loss(first, second, 0.2, same)
        torch.testing.assert_close(value, torch.zeros(rows, dtype=torch.float64))
        assert not any(gradient.any() for gradient in torch.autograd.grad(value.sum(), (first, second)))


def test_half_precision_is_widened_and_double_kept() -> None:
    first, second = views()
    assert view_loss(first.bfloat16(), second.bfloat16(), 0.2).dtype == torch.float32
    assert pair_loss(first, second, 0.2).dtype == torch.float64
