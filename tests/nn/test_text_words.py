"""Texts by their words: what is alike stays alike, rare words count more, and the state is all there is."""

from __future__ import annotations

import numpy as np

from reccli.nn.text_words import SIZE, Words

TEXTS = [
    "a tale of rockets (Jo Blake)",
    "cooking at home (Ann Moss)",
    "the last train (Jo Blake)",
    "bread (Max Orr)",
    "",
]
WARM = np.array([True, True, True, True, False])


def fitted() -> Words:
    words = Words()
    words.fit(TEXTS, WARM)
    return words


def test_vectors_are_unit_and_an_empty_text_is_the_mean_taken_away() -> None:
    vector_NL = fitted().vectors(TEXTS)
    assert vector_NL.shape == (5, SIZE)
    np.testing.assert_allclose(np.linalg.norm(vector_NL, axis=1), 1, rtol=1e-5)


def test_one_author_is_nearer_than_another() -> None:
    vector_NL = fitted().vectors([*TEXTS[:4], "new and unheard of (Jo Blake)"])
    near_N = vector_NL[:4] @ vector_NL[4]
    assert set(np.argsort(-near_N)[:2]) == {0, 2}


def test_dot_products_are_those_of_weighted_words_up_to_the_projection() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 300, 12)) for _ in range(200)]
    words = Words()
    words.fit(texts, np.ones(200, bool))
    plain = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit_transform(texts).toarray()
    plain -= plain.mean(0)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    ours = words.vectors(texts)
    assert np.abs(ours @ ours.T - plain @ plain.T).std() < 2 * SIZE**-0.5


def test_a_loaded_state_gives_the_same_vectors() -> None:
    other = Words()
    for name, value in fitted().state_dict().items():  # sizes are unknown before, as when a run is restored
        setattr(other, name, value)
    np.testing.assert_array_equal(other.vectors(TEXTS), fitted().vectors(TEXTS))
