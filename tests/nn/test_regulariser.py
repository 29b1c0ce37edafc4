from __future__ import annotations

import pytest
import torch

from reccli.nn.regulariser import embedding_norms


def test_equals_the_literal_sum():
    tensors = [torch.randn(3, 2, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)]
    numbers = [number for tensor in tensors for number in tensor.flatten().tolist()]
    expected = sum(0.3 * abs(number) + 0.7 / 2 * number**2 for number in numbers) / 3
    assert float(embedding_norms(tensors, l1=0.3, l2=0.7, rows=3)) == pytest.approx(expected)


def test_the_gradient_of_l2_is_the_vector_itself():
    tensor = torch.randn(4, 3, requires_grad=True)
    embedding_norms([tensor], l2=0.5, rows=4).backward()
    torch.testing.assert_close(tensor.grad, 0.5 * tensor.detach() / 4)


@pytest.mark.parametrize("tensors", [[], [torch.zeros(0, 3)]])
def test_nothing_costs_nothing(tensors):
    assert float(embedding_norms(tensors, l1=1.0, l2=1.0, rows=0)) == 0.0
