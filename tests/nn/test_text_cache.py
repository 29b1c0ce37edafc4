"""The cache of vectors: a hit equals a miss, and what is damaged is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reccli.nn.text_cache import cached_vectors


class Encoder:
    """Counts what it is asked for; a text's vector is its length and its first letter."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text), ord(text[:1] or " ")] for text in texts], np.float32).reshape(-1, 2)


TEXTS = ["one", "two", "one", "", "Ünknown 宇宙", "\ud800 half a pair"]


def test_each_distinct_text_is_encoded_once_ever(tmp_path: Path) -> None:
    first, second = Encoder(), Encoder()
    cold = cached_vectors(TEXTS, "model", tmp_path, first)
    assert first.asked == ["one", "two", "", "Ünknown 宇宙", "\ud800 half a pair"]
    warm = cached_vectors([*TEXTS[::-1], "three"], "model", tmp_path, second)
    assert second.asked == ["three"]
    np.testing.assert_array_equal(warm[:-1], cold[::-1])
    np.testing.assert_array_equal(cold, Encoder()(TEXTS))


def test_another_model_shares_nothing(tmp_path: Path) -> None:
    cached_vectors(TEXTS, "model", tmp_path, Encoder())
    other = Encoder()
    cached_vectors(TEXTS, "other", tmp_path, other)
    assert len(other.asked) == 5


def test_no_folder_no_cache() -> None:
    encoder = Encoder()
    cached_vectors(["a"], "model", None, encoder)
    cached_vectors(["a"], "model", None, encoder)
    assert encoder.asked == ["a", "a"]
    assert cached_vectors([], "model", None, encoder).shape == (0, 0)


@pytest.mark.parametrize("damage", ["garbage", "empty", "another table", "one vector"])
def test_damage_costs_time_alone(tmp_path: Path, damage: str) -> None:
    expected = cached_vectors(TEXTS, "model", tmp_path, Encoder())
    (file,) = (tmp_path / "texts").iterdir()
    if damage == "garbage":
        file.write_bytes(b"PAR1 nonsense PAR1")
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "another table":
        pl.DataFrame({"x": [1]}).write_parquet(file)
    else:
        frame = pl.read_parquet(file)
        vectors = frame["vector"].to_numpy().copy()
        vectors[1, 0] += 1
        frame.with_columns(pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, 2))).write_parquet(file)
    again = Encoder()
    np.testing.assert_array_equal(cached_vectors(TEXTS, "model", tmp_path, again), expected)
    assert again.asked == (
        ["two"] if damage == "one vector" else ["one", "two", "", "Ünknown 宇宙", "\ud800 half a pair"]
    )


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("a file where a folder should be", encoding="utf-8")
    assert cached_vectors(["a"], "model", tmp_path, Encoder()).shape == (1, 2)
