"""What the tests of all losses share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from reccli.api import Loss, LossInputs, UserGroups

torch.set_num_threads(1)

Oracle = Callable[[LossInputs, int], Tensor]


@pytest.fixture
def agrees() -> Callable[[Loss, LossInputs, Oracle], None]:
    """Compare a loss with its oracle (inputs, row -> value): values, and gradients of a weighted sum of the rows."""

    def check(loss: Loss, inputs: LossInputs, oracle: Oracle) -> None:
        leaves = [getattr(inputs, entry.name) for entry in fields(inputs)]
        leaves += [] if inputs.groups is None else [inputs.groups.user_GD]
        leaves = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad and leaf.is_leaf]
        got_B = loss(inputs).value_B
        expected_B = torch.stack([oracle(inputs, row) for row in range(len(inputs.user_BD))])
        tolerance = {"rtol": 1e-9, "atol": 1e-9} if got_B.dtype == torch.float64 else {"rtol": 2e-4, "atol": 2e-4}
        torch.testing.assert_close(got_B, expected_B, **tolerance)
        weight_B = torch.linspace(0.5, 2.0, len(got_B), dtype=got_B.dtype)
        gradients = [
            torch.autograd.grad(
                (value_B * weight_B).sum(), leaves, materialize_grads=True, allow_unused=True, retain_graph=True
            )
            for value_B in (got_B, expected_B)
        ]
        for got, expected in zip(*gradients, strict=True):
            torch.testing.assert_close(got, expected, **tolerance)

    return check


@pytest.fixture
def grouped() -> Callable[[LossInputs], LossInputs]:
    """Let rows share the vectors and masks of three users, as `groups` and, for oracles, row by row."""

    def share(inputs: LossInputs) -> LossInputs:
        place_B = torch.arange(len(inputs.user_BD)) * 2 % 3
        user_GD = inputs.user_BD[:3].detach().clone().requires_grad_()
        known_GN = None if inputs.known_BN is None else inputs.known_BN[:3]
        groups = UserGroups(user_GD, place_B, known_GN)
        known_BN = None if known_GN is None else known_GN[place_B]
        return replace(inputs, user_BD=user_GD[place_B], groups=groups, known_BN=known_BN)

    return share
