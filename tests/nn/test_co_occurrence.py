"""The graph of neighbours against loops over users and pairs."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories
from reccli.nn import co_occurrence
from reccli.nn.co_occurrence import incidence, neighbour_graph


def histories() -> Histories:
    rng = np.random.default_rng(0)
    met = rng.random((12, 9)) < 0.4
    met[:, 8] = False
    user, item = np.nonzero(met)
    return Histories.from_arrays([*user, user[0]], [*item, item[0]], n_users=12, n_items=9)


def literal(matrix: np.ndarray, power: float, shrink: float) -> np.ndarray:
    n_rows = matrix.shape[1]
    weight = np.zeros((n_rows, n_rows))
    for i in range(n_rows):
        for j in range(n_rows):
            both = [user for user in range(len(matrix)) if matrix[user, i] and matrix[user, j]]
            if i != j and both:
                total = sum(matrix[user].sum() ** (-2 * power) for user in both)
                total /= np.sqrt(matrix[:, i].sum() * matrix[:, j].sum())
                weight[i, j] = total * len(both) / (len(both) + shrink)
    return weight


@pytest.mark.parametrize("block", [1, 30, 10_000])
@pytest.mark.parametrize(("power", "shrink", "k"), [(0.0, 0.0, 20), (0.5, 0.0, 3), (0.25, 2.0, 2)])
def test_the_strongest_pairs_against_loops(
    power: float, shrink: float, k: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(co_occurrence, "BLOCK_CELLS", block)
    matrix = incidence(histories(), np.arange(9), 9)
    assert matrix.toarray().max() == 1
    among = np.ones(9, np.bool_)
    among[2] = False
    expected = literal(matrix.toarray(), power, shrink) * among
    graph = neighbour_graph(matrix, k=k, user_power=power, shrink=shrink, among_R=among)
    assert graph.n_rows == 9
    for row in range(9):
        own = slice(graph.offset_R1[row], graph.offset_R1[row + 1])
        best = np.sort(expected[row][expected[row] > 0])[::-1][:k]
        np.testing.assert_allclose(graph.weight_E[own], best, rtol=1e-5)
        np.testing.assert_allclose(expected[row, graph.target_E[own]], best, rtol=1e-5)
        assert row not in graph.target_E[own]
    assert graph.degree_R[8] == 0
    assert 2 not in graph.target_E


def test_neighbours_are_drawn_in_proportion_to_weight() -> None:
    graph = neighbour_graph(incidence(histories(), np.arange(9), 9), k=5)
    anchor = np.repeat(np.array([3, 0]), 20_000)
    drawn = graph.draw(anchor, np.random.default_rng(1))
    for row, part in ((3, drawn[:20_000]), (0, drawn[20_000:])):
        own = slice(graph.offset_R1[row], graph.offset_R1[row + 1])
        share = np.array([(part == target).mean() for target in graph.target_E[own]])
        np.testing.assert_allclose(share, graph.weight_E[own] / graph.weight_E[own].sum(), atol=0.02)


def test_items_of_one_row_are_one_and_those_of_none_are_gone() -> None:
    matrix = incidence(histories(), np.array([0, 0, 1, -1, -1, -1, -1, -1, -1]), 2)
    train = histories()
    for user in range(12):
        met = set(train.rows([user]).item_E.tolist())
        assert matrix.toarray()[user].tolist() == [float(bool(met & {0, 1})), float(2 in met)]


def test_edges_are_known_both_ways() -> None:
    graph = neighbour_graph(incidence(histories(), np.arange(9), 9), k=1)
    pairs = {(int(key) // 9, int(key) % 9) for key in graph.keys()}  # noqa: SIM118
    edges = set(zip(graph.source_E.tolist(), graph.target_E.tolist(), strict=True))
    assert pairs == edges | {(j, i) for i, j in edges}
