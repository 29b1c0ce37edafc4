"""The sum of exponentials equals the literal loop, values and gradients, in one buffer or in blocks."""

from __future__ import annotations

import math

import pytest
import torch

from reccli.nn import log_sum
from reccli.nn.log_sum import log_sum_exp


def inputs_of(rows: int = 7, items: int = 5, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    user_RD = torch.randn(rows, 4, generator=generator, dtype=dtype).requires_grad_()
    item_ND = torch.randn(items, 4, generator=generator, dtype=dtype).requires_grad_()
    shift_N = torch.randn(items, generator=generator, dtype=dtype)
    known_RN = torch.rand(rows, items, generator=generator) < 0.4
    known_RN[:, :1] = False
    return user_RD, item_ND, shift_N, known_RN


def literal(user_RD, item_ND, shift_N=None, known_RN=None):
    rows = []
    for r, user_D in enumerate(user_RD):
        total = torch.zeros((), dtype=user_RD.dtype)
        for n, item_D in enumerate(item_ND):
            if known_RN is None or not bool(known_RN[r, n]):
                total = total + ((user_D * item_D).sum() + (0.0 if shift_N is None else shift_N[n])).exp()
        rows.append(total.log())
    return torch.stack(rows)


@pytest.mark.parametrize("block", [1, 5, 11, 34, 35, 1000])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_literal_loop(block, shifted, masked):
    user_RD, item_ND, shift_N, known_RN = inputs_of()
    rest = (shift_N if shifted else None, known_RN if masked else None)
    got_R, expected_R = log_sum_exp(user_RD, item_ND, *rest, block=block), literal(user_RD, item_ND, *rest)
    torch.testing.assert_close(got_R, expected_R, rtol=1e-12, atol=1e-12)
    weight_R = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)
    for got, expected in zip(
        torch.autograd.grad((got_R * weight_R).sum(), [user_RD, item_ND], retain_graph=True),
        torch.autograd.grad((expected_R * weight_R).sum(), [user_RD, item_ND]),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("block", [5, 1000])
def test_a_second_backward_pass_gives_the_same(block):
    user_RD, item_ND, shift_N, known_RN = inputs_of()
    total = log_sum_exp(user_RD, item_ND, shift_N, known_RN, block=block).sum()
    first = torch.autograd.grad(total, [user_RD, item_ND], retain_graph=True)
    second = torch.autograd.grad(total, [user_RD, item_ND])
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("block", [5, 1000])
def test_only_what_wants_a_gradient_gets_one(block):
    user_RD, item_ND, *rest = inputs_of()
    expected_RD, expected_ND = torch.autograd.grad(log_sum_exp(user_RD, item_ND, *rest).sum(), [user_RD, item_ND])
    (alone_RD,) = torch.autograd.grad(log_sum_exp(user_RD, item_ND.detach(), *rest, block=block).sum(), [user_RD])
    (alone_ND,) = torch.autograd.grad(log_sum_exp(user_RD.detach(), item_ND, *rest, block=block).sum(), [item_ND])
    torch.testing.assert_close(alone_RD, expected_RD)
    torch.testing.assert_close(alone_ND, expected_ND)


def test_scores_that_would_overflow_do_not():
    user_RD = torch.tensor([[1000.0], [-1000.0]])
    item_ND = torch.tensor([[1.0], [1.0], [-1.0]])
    got_R = log_sum_exp(user_RD, item_ND)
    torch.testing.assert_close(got_R, torch.tensor([1000.0 + math.log(2), 1000.0]))


@pytest.mark.parametrize("items", [0, 3])
def test_a_row_that_knows_all_has_no_share_beside_anything_finite(items):
    user_RD, item_ND, _, _ = inputs_of(rows=2, items=items)
    known_RN = torch.ones(2, items, dtype=torch.bool)
    got_R = log_sum_exp(user_RD, item_ND, None, known_RN)
    assert bool((got_R < -1e300).all())
    one_R = torch.ones(2, dtype=torch.float64)
    value = torch.nn.functional.softplus(got_R - one_R).sum()
    assert value.item() == 0.0
    for gradient in torch.autograd.grad(value, [user_RD, item_ND], allow_unused=True, materialize_grads=True):
        assert not bool(gradient.any())


def test_what_a_row_knows_gets_no_gradient_from_it():
    user_RD, item_ND, _, known_RN = inputs_of()
    known_RN[:, 2] = True
    (gradient_ND,) = torch.autograd.grad(log_sum_exp(user_RD, item_ND, None, known_RN).sum(), [item_ND])
    assert not bool(gradient_ND[2].any())
    assert bool(gradient_ND[0].any())


def test_no_more_than_a_block_of_scores_is_made_at_a_time(monkeypatch):
    sizes = []
    shares = log_sum._shares
    monkeypatch.setattr(
        log_sum,
        "_shares",
        lambda user, item, *rest: (sizes.append(len(user) * len(item)), shares(user, item, *rest))[1],
    )
    user_RD, item_ND, _, _ = inputs_of(rows=50, items=30)
    log_sum_exp(user_RD, item_ND, block=100).sum().backward()
    assert max(sizes) <= 100
    assert sum(sizes) == 2 * 50 * 30  # once forward, once again for the gradient
    sizes.clear()
    log_sum_exp(user_RD, item_ND, block=1500).sum().backward()
    assert sizes == [1500]


def test_half_of_the_memory_is_not_spent_twice():
    """No tensor of the size of the scores is left over but the one that the backward pass needs."""
    user_RD, item_ND, shift_N, known_RN = inputs_of(rows=40, items=30)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (saved.append(tensor), tensor)[1], lambda held: held):
        log_sum_exp(user_RD, item_ND, shift_N, known_RN)
    large = [tensor for tensor in saved if tensor.numel() >= 1200 and tensor.dtype == torch.float64]
    assert len(large) == 1
