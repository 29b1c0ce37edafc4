"""The gate against its formula in a loop."""

from __future__ import annotations

import math

import torch

from reccli.nn.gate import Gate


def test_softmax_over_the_parts_that_are_there() -> None:
    gate, generator = Gate([2.0, 0.0, -1.0], 4), torch.Generator().manual_seed(0)
    with torch.no_grad():
        gate.slope_FK.normal_(generator=generator)
    feature_IF = torch.randn(5, 4, generator=generator)
    has_IK = torch.tensor([[1, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]]).bool()
    got = gate(feature_IF, has_IK).detach()
    for item in range(5):
        parts = [
            math.exp(float((gate.start_K[k] + feature_IF[item] @ gate.slope_FK[:, k]).detach()))
            if has_IK[item, k]
            else 0.0
            for k in range(3)
        ]
        for k in range(3):
            assert math.isclose(float(got[item, k]), parts[k] / sum(parts) if sum(parts) else 0.0, abs_tol=1e-6)


def test_gradients_are_finite_where_nothing_is_there() -> None:
    gate = Gate([0.0, 0.0], 2)
    gate(torch.ones(2, 2), torch.tensor([[True, True], [False, False]]))[:, 0].sum().backward()
    assert gate.slope_FK.grad is not None
    assert gate.slope_FK.grad.isfinite().all()
    assert gate.slope_FK.grad.abs().max() > 0
