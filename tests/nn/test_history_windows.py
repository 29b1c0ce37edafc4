"""Windows of histories: what is drawn, what each row reads, and how little is padded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.nn.history_windows import HistoryWindows
from reccli.testing.inputs import batch_of

LENGTHS = [9, 3, 0, 20, 1]


def histories() -> Histories:
    user = np.repeat(np.arange(5), LENGTHS)
    item = np.random.default_rng(0).integers(0, 12, len(user))
    return Histories.from_arrays(user, item, n_users=5, n_items=12, time_E=np.arange(len(user)))


def windows(window: int) -> HistoryWindows:
    return HistoryWindows(TrainingData(histories()), Context(seed=3), window=window, name="test")


def read(found: HistoryWindows, rows: np.ndarray) -> dict[int, list[int]]:
    """Row -> items that it may see."""
    seen: dict[int, list[int]] = {}
    for piece in found.of_batch(batch_of(TrainingData(histories()), rows)):
        for place, step, row in zip(piece.place_P, piece.step_P, piece.row_P, strict=True):
            assert int(rows[row]) not in seen
            seen[int(rows[row])] = piece.item_RL[place, :step].tolist()
    return seen


@pytest.mark.parametrize("window", [4, 50])
def test_in_training_rows_read_the_window_up_to_themselves(window: int) -> None:
    found, train = windows(window).train(), histories()
    found.begin_epoch(1)
    chosen = found.rows_of_epoch().nonzero()[:, 0].numpy()
    first = {user: chosen[train.user_E[chosen] == user].min() for user in (0, 1, 3, 4)}
    expected = {int(row): train.item_E[first[train.user_E[row]] : row].tolist() for row in chosen}
    assert read(found, chosen) == expected
    assert [int((train.user_E[chosen] == user).sum()) for user in range(5)] == [min(n, window) for n in LENGTHS]


@pytest.mark.parametrize("training", [False, True])
def test_other_rows_read_the_newest_entries_before_themselves(training: bool) -> None:
    found, train = windows(4).train(training), histories()
    found.begin_epoch(1)
    rows = np.arange(len(train))
    expected = {int(row): train.item_E[max(train.offset_U1[train.user_E[row]], row - 4) : row].tolist() for row in rows}
    assert read(found, rows) == expected


def test_users_read_their_newest_entries() -> None:
    train, seen = histories(), {}
    for piece in windows(4).of_users(train):
        for place, step, row in zip(piece.place_P, piece.step_P, piece.row_P, strict=True):
            seen[int(row)] = piece.item_RL[place, :step].tolist()
    assert seen == {
        user: train.item_E[train.offset_U1[user] : train.offset_U1[user + 1]][-4:].tolist() for user in range(5)
    }


@pytest.mark.parametrize("task", ["ranking", "rating"])
def test_values_of_entries_come_along_where_they_are_predicted(task: str) -> None:
    train = replace(histories(), value_E=np.arange(33, dtype=np.float32))
    found = HistoryWindows(TrainingData(train, task=task), Context(seed=3), window=4, name="test")
    (value,) = (piece.value_RL[piece.place_P[piece.row_P == 3]] for piece in found.of_users(train) if 3 in piece.row_P)
    expected = [(entry - 16) / np.std(np.arange(33)) if task == "rating" else 0.0 for entry in (28, 29, 30, 31)]
    np.testing.assert_allclose(value[0], expected, rtol=1e-6)


def test_epochs_draw_windows_and_repeat_them() -> None:
    found = windows(4)
    assert found.rows_of_epoch() is None
    drawn = []
    for epoch in (1, 2, 3, 1):
        found.begin_epoch(epoch)
        drawn.append(found.rows_of_epoch())
    assert torch.equal(drawn[0], drawn[3])
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:3])


def test_pieces_are_padded_to_less_than_twice_their_shortest() -> None:
    for piece in windows(50).of_users(histories()):
        width = piece.item_RL.shape[1]
        assert width <= 4 or all(2 * int(step) > width for step in piece.step_P)


def test_entries_of_weight_0_are_hidden_in_their_places_where_asked() -> None:
    weight = np.where(np.arange(33) % 3 == 0, 0, 1).astype(np.float32)
    train, shown = replace(histories(), weight_E=weight), {}
    for piece in windows(4).of_users(train, hiding=True):
        for place, step, row in zip(piece.place_P, piece.step_P, piece.row_P, strict=True):
            shown[int(row)] = piece.shown_RL[place, :step].tolist()
    assert shown == {
        user: (weight[train.offset_U1[user] : train.offset_U1[user + 1]][-4:] > 0).tolist() for user in range(5)
    }
    assert all(piece.shown_RL is None for piece in windows(4).of_users(train))
