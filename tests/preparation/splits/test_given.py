"""Given parts stay; a validation part can be made from train."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from reccli.errors import ConfigError, DataError
from reccli.preparation.draws import digest_ids
from reccli.preparation.splits import SplitRows, part_of, validation_from_train
from reccli.preparation.splits.rows import TEST, TRAIN, VALID


def world(timed: bool) -> SplitRows:
    user = np.repeat(np.array([0, 1, 2], np.uint32), [10, 20, 2])
    item = np.concatenate([np.arange(10), np.arange(20), np.arange(2)]).astype(np.uint32)
    digest = digest_ids(pl.Series([str(number) for number in range(20)]))
    return SplitRows(user, item, item.astype(np.int64) if timed else None, digest, digest, 7)


@pytest.mark.parametrize(
    ("name", "part"), [("train", TRAIN), (" Training", TRAIN), ("VAL", VALID), ("dev", VALID), ("test", TEST)]
)
def test_names_of_parts(name: str, part: int) -> None:
    assert part_of(name, "split") == part


def test_unknown_part() -> None:
    with pytest.raises(DataError, match="column 'fold' has the part 'holdout'"):
        part_of("holdout", "fold")


@pytest.mark.parametrize("timed", [True, False])
def test_validation_comes_from_train_alone(timed: bool) -> None:
    rows = world(timed)
    given = np.where(rows.item_E % 2 == 0, TRAIN, TEST).astype(np.uint8)
    part = validation_from_train(rows, given, 0.2)
    assert (part[given == TEST] == TEST).all()
    train = [int(((rows.user_E == user) & (part == TRAIN)).sum()) for user in range(3)]
    valid = [int(((rows.user_E == user) & (part == VALID)).sum()) for user in range(3)]
    assert (train, valid) == ([4, 8, 1], [1, 2, 0])
    if timed:
        assert rows.item_E[part == VALID].tolist() == [8, 16, 18]


def test_not_with_a_validation_part() -> None:
    with pytest.raises(ConfigError, match="one is given"):
        validation_from_train(world(True), np.full(32, VALID, np.uint8), 0.1)
