"""What a recipe looks at is counted on the training rows."""

from __future__ import annotations

from reccli.api import Histories, TrainingData
from reccli.training.data_profile import profile_of


def test_sizes_and_shares_are_those_of_the_training_rows() -> None:
    train = Histories.from_arrays([0, 0, 0, 2], [1, 1, 3, 3], n_users=4, n_items=5)
    found = profile_of(TrainingData(train, item_text_I=["a", "", " ", "b", ""], ordered=True))
    assert (found.users, found.items, found.rows, found.text, found.repeats) == (2, 2, 4, 0.4, 0.25)
    assert found.density == 1.0
    assert found.line == (
        "data: task ranking, 2 users, 2 items, 4 rows in order, density 100.00%, 40% of items with text,"
        " 25% of rows repeat"
    )


def test_data_without_rows_or_texts_has_a_profile() -> None:
    found = profile_of(TrainingData(Histories.from_arrays([], [], n_users=2, n_items=3)))
    assert (found.users, found.rows, found.repeats, found.density) == (0, 0, 0.0, 0.0)
    assert found.line.endswith("0 rows without order, density 0.00%, no texts")
