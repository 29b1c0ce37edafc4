"""Augmentations of texts: what is kept, how much goes, and the table of synonyms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reccli.errors import ConfigError
from reccli.nn.text_augment import crop_tokens, delete_tokens, replace_words, shuffle_tokens, synonym_table


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def may(rows: int = 200, length: int = 12) -> np.ndarray:
    mask = np.zeros((rows, length + 3), bool)
    mask[:, 1 : length + 1] = True  # a special token before, one after, and one of padding
    return mask


def test_a_share_of_tokens_is_deleted_and_one_is_always_spared() -> None:
    stays = delete_tokens(may(), 0.25, rng())
    assert stays[~may()].all()
    assert 1 - stays[may()].mean() == pytest.approx(0.25, abs=0.03)
    alone = delete_tokens(may(300, 4), 0.999, rng())
    assert (alone & may(300, 4)).sum(1).tolist() == [1] * 300
    assert ((alone & may(300, 4)).sum(0)[1:5] > 50).all()
    assert delete_tokens(np.zeros((2, 3), bool), 0.5, rng()).all()


def test_a_crop_is_one_span_of_the_right_length_anywhere() -> None:
    stays = crop_tokens(may(), 0.4, rng())
    assert stays[~may()].all()
    starts = set()
    for row in stays & may():
        (places,) = np.nonzero(row)
        assert len(places) == 8  # ceil(12 * 0.6)
        assert places[-1] - places[0] == 7
        starts.add(int(places[0]))
    assert starts == {1, 2, 3, 4, 5}
    assert (crop_tokens(may(5, 3), 0.99, rng()) & may(5, 3)).sum(1).tolist() == [1] * 5


def test_shuffled_tokens_are_the_same_ones_in_places_that_may_move() -> None:
    code = np.tile(np.arange(15), (200, 1))
    out = shuffle_tokens(code, may(), 0.5, rng())
    np.testing.assert_array_equal(np.sort(out, 1), code)
    np.testing.assert_array_equal(out[~may()], code[~may()])
    assert 0.3 < (out != code)[may()].mean() < 0.5
    np.testing.assert_array_equal(shuffle_tokens(code, may(), 0.0, rng()), code)


def test_words_are_replaced_by_their_synonyms_with_a_chance(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(
        "film, movie , picture\n\nsad,unhappy\nlonely\nmovie, cinema\n", encoding="utf-8"
    )
    table = synonym_table(str(tmp_path / "words.txt"))
    assert table["movie"] == ("film", "picture", "cinema")
    assert "lonely" not in table
    texts = ["A sad Film; a sad filmmaker"] * 300
    assert replace_words(texts[:1], table, 1.0, rng())[0].split()[1] == "unhappy"
    out = replace_words(texts, table, 0.5, rng())
    assert {text.split()[2] for text in out} == {"Film;", "movie;", "picture;"}
    assert all(text.endswith("filmmaker") for text in out)
    assert np.mean([text.split()[1] == "unhappy" for text in out]) == pytest.approx(0.5, abs=0.1)
    assert replace_words(texts, table, 0.0, rng()) == texts


@pytest.mark.parametrize(("content", "why"), [(b"alone\n", "no line with two"), (b"\xff\xfe", "not UTF-8")])
def test_files_that_are_no_table_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        synonym_table(str(tmp_path / "words.txt"))
    with pytest.raises(ConfigError, match="cannot be read"):
        synonym_table(str(tmp_path / "nothing.txt"))
