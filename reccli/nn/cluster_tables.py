"""Clusters as tables that people can read: sizes, top items, top words.

C clusters, T texts, W words, N members (items with a text, or users with a history).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["ClusterTable", "item_clusters", "joined", "strongest", "top_words", "user_clusters", "word_matrix"]

Int64 = npt.NDArray[np.int64]
TOP_ITEMS = 5
SHOWN = 60
KEYS = ("kind", "granularity", "cluster")
WORD = re.compile(r"[^\W\d_]{3,}")


def word_matrix(texts: Sequence[str]) -> tuple[csr_matrix, list[str]]:
    """Return which text has which word of at least three letters, T x W with ones, and the words."""
    from scipy.sparse import csr_matrix

    codes: dict[str, int] = {}
    rows, columns = [], []
    for number, text in enumerate(texts):
        for word in sorted(set(WORD.findall(text.casefold()))):
            rows.append(number)
            columns.append(codes.setdefault(word, len(codes)))
    shape = (len(texts), max(len(codes), 1))
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape), list(codes)


def strongest(count: Any, names: Sequence[str], most: int) -> list[list[str]]:
    """Return for each row of a count matrix the names that mark it off from all rows together.

    ::

        score = n_cw log( (n_cw / n_c) / (n_w / n) )

    Args:
        count: Rows x names, sparse.
        names: One a column.
        most: Names of a row at most; only those with a positive score.
    """
    table = count.tocoo()
    row_N, column_N, count_N = table.row, table.col, table.data.astype(np.float64)
    total = max(count_N.sum(), 1.0)
    of_row = np.bincount(row_N, weights=count_N, minlength=count.shape[0])
    of_column = np.bincount(column_N, weights=count_N, minlength=count.shape[1])
    score_N = count_N * np.log(np.maximum(count_N * total / (of_row[row_N] * of_column[column_N]), 1e-12))
    found: list[list[str]] = [[] for _ in range(count.shape[0])]
    for place in np.lexsort((column_N, -score_N, row_N)):
        row = found[row_N[place]]
        if len(row) < most and score_N[place] > 0:
            row.append(names[column_N[place]])
    return found


def top_words(member: Any, texts: Sequence[str], most: int = 8) -> list[str]:
    """Return for each cluster the words that mark it off, joined.

    Args:
        member: How often each cluster has each text, C x T, sparse.
        texts: The texts.
        most: Words of a cluster.
    """
    word_TW, words = word_matrix(texts)
    return [" ".join(row) for row in strongest(member @ word_TW, words, most)]


@dataclass(frozen=True)
class ClusterTable:
    """The clusters of one kind and granularity.

    Args:
        kind: `item` or `user`.
        cluster_N: Cluster of each member.
        code_N: Code of each member.
        items: Items that stand for each cluster, joined.
        words: Words that mark each cluster off, joined.
    """

    kind: str
    cluster_N: Int64
    code_N: Int64
    items: list[str]
    words: list[str]


def item_clusters(
    clusters: int, cluster_T: Int64, code_N: Int64, text_N: Int64, near_T: npt.NDArray[np.float32], texts: Sequence[str]
) -> ClusterTable:
    """Return clusters of items; those whose texts are nearest to the centre stand for them.

    Args:
        clusters: How many.
        cluster_T: Cluster of each text.
        code_N: Items with a text.
        text_N: The text of each of them.
        near_T: Cosine of each text with its centre.
        texts: The texts.
    """
    from scipy.sparse import csr_matrix

    cluster_N = cluster_T[text_N]
    member = csr_matrix((np.ones(len(text_N)), (cluster_N, text_N)), shape=(clusters, len(texts)))
    nearest: list[list[str]] = [[] for _ in range(clusters)]
    for text in np.argsort(-near_T, kind="stable"):
        row = nearest[cluster_T[text]]
        if len(row) < TOP_ITEMS:
            row.append(texts[text])
    return ClusterTable("item", cluster_N, code_N, _shown(nearest), top_words(member, texts))


def user_clusters(
    clusters: int, cluster_N: Int64, code_N: Int64, matrix_NT: csr_matrix, texts: Sequence[str]
) -> ClusterTable:
    """Return clusters of users; items that they met more often than others stand for them.

    Args:
        clusters: How many.
        cluster_N: Cluster of each user.
        code_N: The users.
        matrix_NT: What each of them has met.
        texts: The texts.
    """
    from scipy.sparse import csr_matrix

    group = csr_matrix((np.ones(len(code_N)), (cluster_N, np.arange(len(code_N)))), shape=(clusters, len(code_N)))
    member = group @ matrix_NT
    return ClusterTable(
        "user", cluster_N, code_N, _shown(strongest(member, texts, TOP_ITEMS)), top_words(member, texts)
    )


def _shown(items: list[list[str]]) -> list[str]:
    return ["; ".join(text if len(text) <= SHOWN else text[: SHOWN - 3] + "..." for text in row) for row in items]


def joined(tables: Sequence[ClusterTable]) -> dict[str, dict[str, Any]]:
    """Return the columns of the artifacts `clusters` and `cluster_members`; empty clusters are left out."""
    clusters: dict[str, list[Any]] = {name: [] for name in (*KEYS, "size", "top_items", "top_words")}
    members: dict[str, list[Any]] = {name: [] for name in (*KEYS, "code")}
    for table in tables:
        granularity = len(table.items)
        size_C = np.bincount(table.cluster_N, minlength=granularity)
        for cluster in np.flatnonzero(size_C):
            row = (
                table.kind,
                granularity,
                int(cluster),
                int(size_C[cluster]),
                table.items[cluster],
                table.words[cluster],
            )
            for name, value in zip(clusters, row, strict=True):
                clusters[name].append(value)
        members["kind"] += [table.kind] * len(table.code_N)
        members["granularity"] += [granularity] * len(table.code_N)
        members["cluster"] += table.cluster_N.tolist()
        members["code"] += table.code_N.tolist()
    return {"clusters": clusters, "cluster_members": members}
