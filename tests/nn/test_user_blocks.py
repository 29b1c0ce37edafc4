from __future__ import annotations

import torch

from reccli.api import Histories
from reccli.nn.user_blocks import by_blocks


def test_blocks_are_joined_in_order_without_gradients() -> None:
    histories = Histories.from_arrays([0, 1, 1, 4], [3, 1, 2, 0], n_users=5, n_items=4)
    weight = torch.nn.Parameter(torch.tensor([[2.0, 3.0]], dtype=torch.float64))
    sizes: list[int] = []

    def encode(part: Histories) -> torch.Tensor:
        sizes.append(part.n_users)
        return torch.from_numpy(part.length_U)[:, None] * weight

    got = by_blocks(encode, histories, 2, 2)
    assert sizes == [2, 2, 1]
    assert got.dtype == torch.float32
    assert not got.requires_grad
    assert got.tolist() == [[2, 3], [4, 6], [0, 0], [0, 0], [2, 3]]
    none = Histories.from_arrays([], [], n_users=0, n_items=4)
    assert by_blocks(encode, none, 2, 7).shape == (0, 7)
