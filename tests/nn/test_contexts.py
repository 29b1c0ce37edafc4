"""Draws of contexts against lists of who may be drawn, and turned vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.nn.contexts import draw_context, turned


@pytest.mark.parametrize("window", [0, 1, 2])
def test_contexts_are_other_rows_of_the_user_within_the_window(window: int) -> None:
    offset = torch.tensor([0, 5, 5, 6, 9])
    user = torch.repeat_interleave(torch.arange(4), offset.diff())
    rows = torch.arange(9)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_context(rows, offset, user[rows], window, generator) for _ in range(300)])
    for row in range(9):
        near = [
            other
            for other in range(9)
            if other != row and user[other] == user[row] and (not window or abs(other - row) <= window)
        ]
        assert set(drawn[:, row].tolist()) == set(near or [row])
        counts = np.bincount(drawn[:, row], minlength=9)[near or [row]]
        assert counts.min() > 0.5 * 300 / len(counts)


def test_turned_vectors_have_the_same_products_and_leading_columns_that_hold_most() -> None:
    user, item = torch.randn(7, 4), torch.randn(9, 4)
    user[2] = 0
    new_user, new_item = turned(user, item)
    torch.testing.assert_close(new_user @ new_item.T, user @ item.T, atol=1e-5, rtol=1e-5)
    held = torch.cat([new_user, new_item]).square().sum(0)
    assert (held.diff() <= 1e-5).all()
    assert new_user[2].abs().max() == 0
