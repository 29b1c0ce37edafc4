from __future__ import annotations

import math

import pytest
import torch

from reccli.testing import oracles
from reccli.testing.inputs import loss_inputs


@pytest.mark.parametrize(("name", "expected"), [("dot", 11.0), ("cosine", 11 / (5**0.5 * 5.0)), ("euclidean", -8.0)])
def test_similarity_by_hand(name, expected):
    got = oracles.similarity(name, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert float(got) == pytest.approx(expected)


def test_negatives_leave_out_known_ones():
    inputs = loss_inputs()
    columns = [column for column, _ in oracles.negatives_of(inputs, 1)]
    assert columns == torch.nonzero(~inputs.known_BN[1]).flatten().tolist()
    assert 0 < len(columns) < inputs.known_BN.shape[1] or inputs.known_BN[1].sum() == 0


def test_log_sum_exp_by_hand():
    got = oracles.log_sum_exp([torch.tensor(0.0), torch.tensor(1.0)])
    assert float(got) == pytest.approx(math.log(1 + math.e))


def test_best_items_break_ties_by_code_and_leave_out_seen_ones():
    items = [[1.0], [3.0], [3.0], [2.0]]
    assert oracles.best_items([1.0], items, seen=set(), k=3) == [1, 2, 3]
    assert oracles.best_items([1.0], items, seen={1}, k=2) == [2, 3]
    assert oracles.best_items([-1.0], items, seen={0}, k=9) == [3, 1, 2]
