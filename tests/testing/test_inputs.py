from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.testing.inputs import batch_of, loss_inputs, skewed_data


@pytest.mark.parametrize("need", ["negatives", "table", "ratings", "labels"])
def test_inputs_hold_what_is_needed_and_no_more(need):
    inputs = loss_inputs(needs=frozenset({need}))
    assert (inputs.negative_ND is not None) == (inputs.known_BN is not None) == (need == "negatives")
    assert (inputs.table_ID is not None) == (inputs.known_BI is not None) == (need == "table")
    assert (set(inputs.target_B.tolist()) != {1.0}) == (need in ("ratings", "labels"))


def test_a_rows_own_positive_is_not_masked_in_the_table():
    inputs = loss_inputs(needs=frozenset({"table"}), rows=50)
    assert not inputs.known_BI[torch.arange(50), inputs.item_B].any()
    assert inputs.known_BI.any()


def test_skewed_data_has_a_long_tail_and_cold_items():
    data = skewed_data()
    count_I = data.item_count_I()
    assert (count_I[-6:] == 0).all()
    assert (count_I[:-6] > 0).all()
    assert count_I.max() > 5 * np.median(count_I)
    assert data.train.length_U[-1] == 0


def test_a_batch_is_rows_of_the_training_data():
    data = skewed_data()
    batch = batch_of(data, [4, 0])
    assert batch.user_B.tolist() == data.train.user_E[[4, 0]].tolist()
    assert batch.item_B.tolist() == data.train.item_E[[4, 0]].tolist()
    assert len(batch_of(data)) == len(data.train)
