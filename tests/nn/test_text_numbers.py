"""Numbers of texts as smooth features."""

from __future__ import annotations

import numpy as np
import torch

from reccli.nn.text_numbers import Numbers


def fitted() -> tuple[Numbers, list[str]]:
    texts = [f"Film {year - 1900} ({year})" for year in range(1930, 2020)] + ["no number", "12 of 34,567", "1.999 km"]
    numbers = Numbers()
    numbers.fit(texts, np.ones(len(texts), bool))
    return numbers, texts


def test_near_years_are_alike_and_far_ones_are_not() -> None:
    numbers, _ = fitted()
    near_NN = numbers.vectors(["a 1990", "b 1991", "c 2 1950", "2015"])
    like = near_NN @ near_NN.T
    np.testing.assert_allclose(np.diag(like), 1, atol=1e-5)
    assert like[0, 1] > 0.9
    assert like[0, 2] < 0.05 > like[0, 3]


def test_a_text_without_a_number_of_that_length_has_zeros() -> None:
    numbers, texts = fitted()
    assert not numbers.vectors(texts[-3:]).any()
    assert numbers.vectors([]).shape == (0, 24)


def test_numbers_beyond_those_seen_are_the_outermost() -> None:
    numbers, _ = fitted()
    early, first, late, last = numbers.vectors(["in 101", "in 1930", "in 9999", "in 2019"])
    np.testing.assert_allclose(early, first, atol=0.02)
    np.testing.assert_allclose(late, last, atol=0.02)


def test_one_number_for_all_texts_tells_nothing_apart() -> None:
    numbers = Numbers()
    numbers.fit(["1999"] * 5, np.ones(5, bool))
    found = numbers.vectors(["a 1999", "b 1999"])
    np.testing.assert_allclose(found[0], found[1])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_without_any_number_there_are_zeros_and_a_state_is_carried_over() -> None:
    empty = Numbers()
    empty.fit(["none", "here"], np.ones(2, bool))
    assert not empty.vectors(["in 1999"]).any()
    one, _ = fitted()
    two = Numbers()
    two.value_Q = torch.clone(one.value_Q)
    np.testing.assert_array_equal(one.vectors(["x 1977"]), two.vectors(["x 1977"]))
