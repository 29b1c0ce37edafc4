"""Parts of texts: what is cut out of them, what is left, and which part is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_bert import tiny_bert

from reccli.api import Context, TrainingData
from reccli.nn.text_parts import REST, TextParts, text_parts
from reccli.nn.text_trunk import TrunkSettings, text_trunk
from reccli.testing.worlds import checkerboard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


def test_attributes_that_texts_name_are_cut_out_and_the_rest_is_a_part() -> None:
    texts = ["Heat (1995) (Crime, Drama)", "Drama (Drama)", "Alien (1979) (Horror)", "Untitled"]
    genres = ["Crime|Drama", "Drama", ["Horror"], None]
    assert text_parts(texts, {"genres": genres, "rating": [1.5, 2.0, 3.5, 4.0]}) == {
        "genres": ["Crime, Drama", "Drama", "Horror", ""],
        REST: ["Heat (1995)", "Drama", "Alien (1979)", "Untitled"],
    }


def test_a_short_value_is_not_cut_out_of_a_longer_one() -> None:
    texts = ["Emma (1815, 1815 Press)", "1984 (Secker, 1949)", "Emma (1815)"]
    found = text_parts(texts, {"year": [1815, 1949, 1815], "publisher": ["1815 Press", "Secker", float("nan")]})
    assert found == {
        "year": ["1815", "1949", "1815"],
        "publisher": ["1815 Press", "Secker", ""],
        REST: ["Emma", "1984", "Emma"],
    }


@pytest.mark.parametrize(
    "column",
    [
        ["Crime", "Drama", "Horror"],  # in one text of three
        ["film", "film", "film"],  # one value
        [None, None, None],
    ],
)
def test_what_few_texts_name_and_what_all_share_is_no_part(column: list[str | None]) -> None:
    assert text_parts(["Heat, a film, Crime", "Drama, a film, Crime", "Alien, a film"], {"kind": column[::-1]}) == {}


def test_texts_that_are_one_attribute_have_no_parts() -> None:
    assert text_parts(["Crime, Drama", "Horror"], {"genres": ["Crime|Drama", "Horror"]}) == {}


def test_one_part_of_each_text_is_drawn_all_alike_and_encoded_as_its_own_text(folder: Path) -> None:
    data = checkerboard(users=12, items=10).data
    texts = [f"number {item} (kind {item % 2})" for item in range(10)]
    trunk = text_trunk(TrunkSettings(path=str(folder)), TrainingData(data.train, item_text_I=texts), Context(seed=1))
    parts = TextParts(trunk, {"kind": ["kind 0", "kind 1", "", *["kind 0"] * 7], REST: [*["rest"] * 2, *[""] * 8]})
    assert parts.texts == ["kind 0", "kind 1", "rest"]
    part, row = parts.drawn(np.repeat([0, 1, 2, 3], 400), np.random.default_rng(0))
    assert set(zip(part[:400].tolist(), row[:400].tolist(), strict=True)) == {(0, 0), (1, 2)}
    assert 160 < int((part[:400] == 0).sum()) < 240
    assert set(zip(part[400:800].tolist(), row[400:800].tolist(), strict=True)) == {(0, 1), (1, 2)}
    assert set(part[800:1200].tolist()) == set(row[800:1200].tolist()) == {-1}
    assert set(part[1200:].tolist()) == set(row[1200:].tolist()) == {0}
    (kind, has_kind), (rest, has_rest) = parts.vectors()
    assert has_kind.tolist() == [True, True, False, *[True] * 7]
    assert has_rest.tolist() == [True, True, *[False] * 8]
    one, two, three = trunk.source.vectors(["kind 0", "kind 1", "rest"])
    np.testing.assert_allclose(kind[[0, 1, 3]], [one, two, one], atol=1e-6)
    np.testing.assert_allclose(rest[0], three, atol=1e-6)
