"""Tables of clusters: words and items that mark a cluster off, against counts by hand."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import csr_matrix

from reccli.nn.cluster_tables import item_clusters, joined, strongest, top_words, user_clusters, word_matrix


def test_words_have_three_letters_and_count_once_a_text() -> None:
    matrix, words = word_matrix(["The film, the FILM of 1999", "an Émigré"])
    assert words == ["film", "the", "émigré"]
    assert matrix.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert word_matrix(["", "12"])[0].shape == (2, 1)


def test_what_marks_a_row_off_against_a_loop() -> None:
    count = np.array([[8, 1, 5, 0], [2, 9, 5, 0], [0, 0, 5, 1]], float)
    expected = []
    for row in count:
        score = {
            number: value * math.log((value / row.sum()) / (count[:, number].sum() / count.sum()))
            for number, value in enumerate(row)
            if value
        }
        best = sorted((name for name in score if score[name] > 0), key=lambda name: (-score[name], name))
        expected.append(["abcd"[name] for name in best][:2])
    assert strongest(csr_matrix(count), "abcd", 2) == expected
    assert expected[0] == ["a"]
    assert strongest(csr_matrix((2, 3)), "abc", 2) == [[], []]


def test_items_nearest_to_the_centre_stand_for_a_cluster_of_items() -> None:
    texts = ["space robot", "space laser", "kiss garden", "x" * 70]
    near = np.array([0.5, 0.9, 0.8, 0.1], np.float32)
    table = item_clusters(2, np.array([0, 0, 1, 1]), np.array([0, 1, 2, 4]), np.array([1, 0, 2, 1]), near, texts)
    assert table.cluster_N.tolist() == [0, 0, 1, 0]
    assert table.items == ["space laser; space robot", "kiss garden; " + "x" * 57 + "..."]
    assert table.words[0].split()[0] == "space"
    assert set(table.words[1].split()) == {"kiss", "garden"}


def test_clusters_of_users_show_what_they_met_more_often() -> None:
    texts = ["space robot", "kiss garden", "popular"]
    met = csr_matrix(np.array([[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 1]], float))
    table = user_clusters(2, np.array([0, 0, 1, 1]), np.array([3, 5, 6, 7]), met, texts)
    assert table.items == ["space robot", "kiss garden"]
    assert [set(words.split()) for words in table.words] == [{"space", "robot"}, {"kiss", "garden"}]
    columns = joined([table])
    assert columns["clusters"] == {
        "kind": ["user", "user"],
        "granularity": [2, 2],
        "cluster": [0, 1],
        "size": [2, 2],
        "top_items": table.items,
        "top_words": table.words,
    }
    assert columns["cluster_members"]["code"] == [3, 5, 6, 7]
    assert columns["cluster_members"]["cluster"] == [0, 0, 1, 1]


def test_empty_clusters_are_left_out() -> None:
    table = user_clusters(3, np.array([0, 2]), np.array([0, 1]), csr_matrix(np.eye(2)), ["a", "b"])
    assert joined([table])["clusters"]["cluster"] == [0, 2]
    assert top_words(csr_matrix((1, 2)), ["a", "b"]) == [""]
