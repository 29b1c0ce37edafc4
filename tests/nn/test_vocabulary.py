"""Words as weighted counts: equal to TF-IDF spelled out, limited to the most frequent, and known after loading."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from reccli.nn.vocabulary import Vocabulary

TEXTS = ["red fox", "red red fox runs", "blue fish", "blue fish swims", "fox", ""]


def test_rows_are_those_of_scikit_learn() -> None:
    ours_NV = Vocabulary(pairs=False, most=100).learn(TEXTS).toarray()
    theirs_NV = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(TEXTS).toarray()
    np.testing.assert_allclose(ours_NV @ ours_NV.T, theirs_NV @ theirs_NV.T, atol=1e-6)
    assert ours_NV.shape == theirs_NV.shape == (6, 4)


def test_only_the_most_frequent_words_stay() -> None:
    vocabulary = Vocabulary(pairs=False, most=1)
    assert vocabulary.learn(TEXTS).toarray().ravel().round(5).tolist() == [1, 1, 0, 0, 1, 0]


def test_pairs_count_where_they_are_wanted() -> None:
    with_pairs = Vocabulary(pairs=True, most=100)
    assert with_pairs.learn(TEXTS).shape[1] == 6  # red fox and blue fish beside the four words


def test_a_loaded_vocabulary_weighs_as_the_one_that_learned() -> None:
    learned, loaded = Vocabulary(pairs=False, most=100), Vocabulary(pairs=False, most=100)
    learned.learn(TEXTS)
    state = learned.state_dict()
    loaded.bucket_V, loaded.idf_V = state["bucket_V"], state["idf_V"]
    text = ["a red fish", "unknown"]
    np.testing.assert_array_equal(loaded.weighted(text).toarray(), learned.weighted(text).toarray())
    assert not loaded.weighted(["unknown"]).nnz
