"""Windows of training histories: what is drawn, and where a batch's rows lie in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.nn.drawn_windows import DrawnWindows
from reccli.testing.inputs import batch_of

LENGTHS = [9, 3, 0, 20, 1]


def histories() -> Histories:
    user = np.repeat(np.arange(5), LENGTHS)
    return Histories.from_arrays(user, np.arange(33) % 12, n_users=5, n_items=12, time_E=np.arange(33))


def drawn(window: int, epoch: int = 1) -> DrawnWindows:
    found = DrawnWindows(histories(), Context(seed=3), window=window, name="test")
    found.begin_epoch(epoch)
    return found


@pytest.mark.parametrize("window", [1, 4, 50])
def test_a_window_is_a_run_of_the_history_as_long_as_it_may_be(window: int) -> None:
    rows, train = drawn(window).rows(), histories()
    chosen = rows.nonzero()[:, 0].numpy()
    for user, length in enumerate(LENGTHS):
        mine = chosen[train.user_E[chosen] == user]
        assert len(mine) == min(length, window)
        assert len(mine) == 0 or mine[-1] - mine[0] == len(mine) - 1


def test_windows_follow_from_the_epoch_and_reach_every_place() -> None:
    assert torch.equal(drawn(4, 2).rows(), drawn(4, 2).rows())
    seen = torch.stack([drawn(4, epoch).rows() for epoch in range(80)]).any(0)
    assert bool(seen.all())


def test_rows_know_their_window_and_what_comes_before_them() -> None:
    found, train, data = drawn(4), histories(), TrainingData(histories())
    chosen = found.rows().nonzero()[:, 0].numpy()[::2]
    windows = found.of_batch(batch_of(data, chosen))
    for row, group, place in zip(chosen, windows.group_B, windows.place_B, strict=True):
        first, length = int(windows.first_G[group]), int(windows.length_G[group])
        assert first + int(place) == row
        assert 0 <= int(place) < length == min(LENGTHS[train.user_E[row]], 4)
        assert train.user_E[first] == train.user_E[first + length - 1] == train.user_E[row]


def test_rows_outside_and_windows_not_drawn() -> None:
    data = TrainingData(histories())
    assert drawn(4).of_batch(batch_of(data, np.arange(33))) is None
    fresh = DrawnWindows(histories(), Context(seed=3), window=4, name="test")
    assert fresh.rows() is None
    assert fresh.of_batch(batch_of(data, np.arange(2))) is None
