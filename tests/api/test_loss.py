from __future__ import annotations

import pytest
import torch

from reccli.api import Loss, LossOutput
from reccli.errors import PluginError
from reccli.testing.inputs import loss_inputs


class Constant(Loss):
    """Give back what it was made with, for these tests."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def compute(self, inputs):
        return self.output


@pytest.mark.parametrize(
    ("output", "named"),
    [(LossOutput(torch.ones(3)), r"\(3,\)"), (LossOutput(torch.ones(5, 1)), r"\(5, 1\)"), (torch.ones(5), "Tensor")],
)
def test_a_wrong_output_names_the_loss_and_the_shape(output, named):
    with pytest.raises(PluginError, match=f"loss Constant returned {named}, expected one value for each of 5 rows"):
        Constant(output)(loss_inputs(rows=5))


def test_the_mean_leaves_out_known_positives():
    each_BN = torch.tensor([[1.0, 5.0, 3.0], [2.0, 2.0, 2.0], [7.0, 8.0, 9.0]])
    known_BN = torch.tensor([[False, True, False], [False, False, False], [True, True, True]])
    assert Loss.mean_over_negatives(each_BN, known_BN).tolist() == [2.0, 2.0, 0.0]
    assert Loss.mean_over_negatives(each_BN, None).tolist() == [3.0, 2.0, 8.0]
    assert Loss.mean_over_negatives(each_BN[:, :0], None).tolist() == [0.0, 0.0, 0.0]


def test_the_total_is_the_weighted_mean_plus_the_terms():
    output = LossOutput(torch.tensor([1.0, 4.0]), {"uniformity": torch.tensor(0.5)})
    assert float(output.total(torch.tensor([3.0, 1.0]))) == pytest.approx((3 * 1 + 1 * 4) / 4 + 0.5)
    assert float(LossOutput(torch.ones(2)).total(torch.zeros(2))) == 0.0
