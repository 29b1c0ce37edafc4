"""Texts by their words: what is alike stays alike, rare words count more, and the state is all there is."""

from __future__ import annotations

import numpy as np

from reccli.nn.text_words import Words

TEXTS = [
    "a tale of rockets (Jo Blake)",
    "cooking at home (Ann Moss)",
    "the last train (Jo Blake)",
    "home (Ann Moss)",
    "",
]
WARM = np.array([True, True, True, True, False])


def fitted() -> Words:
    words = Words()
    words.fit(TEXTS, WARM, np.random.default_rng(0))
    return words


def test_vectors_are_unit() -> None:
    vector_NL = fitted().vectors(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vector_NL, axis=1), 1, rtol=1e-5)


def test_one_author_is_nearer_than_another() -> None:
    vector_NL = fitted().vectors([*TEXTS[:4], "new and unheard of (Jo Blake)"])
    near_N = vector_NL[:4] @ vector_NL[4]
    assert set(np.argsort(-near_N)[:2]) == {0, 2}


def test_texts_without_a_common_word_have_no_numbers() -> None:
    words = Words()
    words.fit(["one", "two", "three"], np.ones(3, bool), np.random.default_rng(0))
    assert words.vectors(["one", "four"]).shape == (2, 0)


def test_they_are_the_latent_semantic_vectors_of_weighted_words() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 30, 12)) for _ in range(200)]
    words = Words()
    words.fit(texts, np.ones(200, bool), np.random.default_rng(0))
    plain = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2).fit_transform(texts).toarray()
    _, _, turned = np.linalg.svd(plain, full_matrices=False)
    slow = plain @ turned[: words.basis_VL.shape[1]].T
    slow -= slow.mean(0)
    slow /= np.linalg.norm(slow, axis=1, keepdims=True)
    ours = words.vectors(texts)
    apart = np.abs(ours @ ours.T - slow @ slow.T)  # a few buckets hold two words
    assert np.quantile(apart, 0.99) < 0.03
    assert apart.max() < 0.2


def test_a_loaded_state_gives_the_same_vectors() -> None:
    other = Words()
    for name, value in fitted().state_dict().items():  # sizes are unknown before, as when a run is restored
        setattr(other, name, value)
    np.testing.assert_array_equal(other.vectors(TEXTS), fitted().vectors(TEXTS))
