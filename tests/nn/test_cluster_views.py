"""Views that are clustered: the audience of a text against loops, and means of views."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from reccli.nn.cluster_views import audience_vectors, centred, joint_vectors, unit


def test_the_audience_against_loops() -> None:
    rng = np.random.default_rng(0)
    met = (rng.random((9, 7)) < 0.4).astype(np.float64)
    met[:, 6] = 0  # nobody has met it
    met[0] = [0, 1, 0, 0, 0, 0, 0]  # a user of one text
    known = met.copy()
    known[:, 2] = 0  # not to be looked at
    vector = rng.standard_normal((7, 4))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    other, users = np.zeros((7, 4)), np.zeros(7)
    for text in range(7):
        weight = 0.0
        for user in range(9):
            companions = [one for one in range(7) if known[user, one] and one != text]
            if met[user, text] and companions:
                users[text] += 1
                for one in companions:
                    other[text] += vector[one] / known[user].sum()
                    weight += 1 / known[user].sum()
        other[text] /= max(weight, 1e-9)
    mean = other[users > 0].mean(0)
    expected = np.zeros((7, 4))
    for text in np.flatnonzero(users):
        off = other[text] - mean
        expected[text] = users[text] / (users[text] + 2) * off / np.linalg.norm(off)
    got = audience_vectors(vector.astype(np.float32), csr_matrix(met), csr_matrix(known))
    assert users[6] == 0 < users[2]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_texts_that_nobody_shares_have_no_audience() -> None:
    vector, alone = np.eye(3, dtype=np.float32), csr_matrix(np.eye(3))
    assert not audience_vectors(vector, alone, alone).any()


def test_views_weigh_the_same_and_missing_ones_nothing() -> None:
    first = centred(np.array([[3, 1], [1, 3], [1, 1]], np.float32), np.ones(3, np.bool_), np.ones(2, np.float32))
    second = centred(np.array([[9, 9], [1, 1], [1, 1]], np.float32), np.array([False, True, False]), np.zeros(2))
    np.testing.assert_allclose(first, [[1, 0], [0, 1], [0, 0]], atol=1e-6)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(second, [[0, 0], [half, half], [0, 0]], atol=1e-6)
    both = np.array([half, 1 + half]) / np.hypot(half, 1 + half)
    np.testing.assert_allclose(joint_vectors([first, second]), [[1, 0], both, [0, 0]], atol=1e-6)
    np.testing.assert_allclose(unit(np.array([[3, 4], [0, 0]], np.float32)), [[0.6, 0.8], [0, 0]], atol=1e-6)
