"""Linear item-item weights with few entries: each item by ridge regression upon its nearest items.

U users, I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from reccli.api import Choices, Context, Histories, TrainingData
from reccli.nn.bounds import Positive, Power
from reccli.nn.local_ridge import largest_eigenvalue, local_ridge
from reccli.nn.sparse_choice import Trial, trial
from reccli.nn.sparse_items import SparseItems, SparseItemsSettings
from reccli.nn.spectral import normalised

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Slim"]

PENALTIES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
FIRST_PENALTIES = (0.001, 0.004, 0.016)
USER_POWERS = (0.0, 0.25, 0.5)
CHOOSING_USERS = 4096
CHOOSING_NEIGHBOURS = 64


class Slim(SparseItems):
    r"""Predict each item from the items of the history that are nearest to it, by ridge regression: a sparse EASE.

    ::

        b_i = argmin |x_i - sum over j in N(i) of b_ij x_j|^2 + l |b_i|^2        X' = D_u^(-p) X, column i is x_i
        score(u, i) = sum over j in the history of  w_uj (1 + a_j)^(-r) b_ij

    with `N(i)` the items that foretell i best alone (`settings.neighbours` of them), `l` the penalty (`settings.l2`
    times the largest eigenvalue of the Gram matrix), `p` the power of the users' degrees, `a_j` the entries that came
    after j, and `r` `settings.recency`, 0 without an order. `ease` is the same with all other items in `N(i)`. For
    catalogues whose Gram matrix is beyond memory, or whose spectrum is too long for `ease`: neither is built here, and
    memory grows with items times neighbours.

    Args:
        settings.neighbours: Items each item is predicted from, 50 to 500.
        settings.l2: Penalty relative to the largest eigenvalue of the Gram matrix, 0.0005 to 0.1, or `auto`.
        settings.user_power: How much less a row of a user with a long history counts, 0 to 0.5, or `auto`.
        settings.recency: How fast entries of a history count less with age, 0 to 1.5, or `auto`; needs an order.

    Shapes:
        histories -> sparse UI; items -> sparse II. The dense part has no columns.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth of the training
        rows out (the newest where there is an order) and compares by NDCG@20, powers with 64 neighbours; validation and
        test parts are never seen.

    Paper:
        Ning, Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011,
        https://doi.org/10.1109/ICDM.2011.134, section IV.C (columns chosen beforehand by nearness; here without the l1
        norm and without the bound at zero). Steck: Markov Random Fields for Collaborative Filtering, NeurIPS 2019,
        https://arxiv.org/abs/1910.09645 (sparse approximations of the inverse from systems of correlated items).

    Pairs well with:
        Nothing: it has no loss. In an ensemble with `spectral`, which knows items that share no users.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Slim(Slim.Settings(l2=0.1, user_power=0.0))
        >>> encoder.setup(data, Context())
        >>> encoder.export_sparse_items().toarray().astype(float).round(2).tolist()
        [[0.0, 0.43, 0.0], [0.77, 0.0, 0.77], [0.0, 0.43, 0.0]]
    """

    class Settings(SparseItemsSettings):
        """Settings of `slim`."""

        neighbours: Annotated[int, Choices((100, 200, 400))] = Field(default=200, ge=1)
        """Items each item is predicted from: 50 to 500."""
        l2: Annotated[Positive | Literal["auto"], Choices(("auto", 0.002, 0.008, 0.032))] = "auto"
        """Penalty as a share of the largest eigenvalue of the Gram matrix: 0.0005 to 0.1, or `auto`."""
        user_power: Annotated[Power | Literal["auto"], Choices(("auto", 0.0, 0.25, 0.5))] = "auto"
        """How much less a row of a user with a long history counts: 0 to 0.5, or `auto`."""

    def weights(self, histories: Histories, chosen: _Choice) -> csr_matrix:
        """Solve on histories, II."""
        (weight_II,) = _weights(histories, chosen.user_power, [chosen.l2], self.settings.neighbours)
        return weight_II

    def choose(self, data: TrainingData, context: Context) -> _Choice:
        """Try powers with few penalties and neighbours, then penalties with the best power and all neighbours."""
        given = self.settings
        powers = USER_POWERS if given.user_power == "auto" else (given.user_power,)
        penalties = PENALTIES if given.l2 == "auto" else (given.l2,)
        if len(powers) == len(penalties) == 1:
            return _Choice(penalties[0], powers[0])
        found = trial(data, context, "slim", users=CHOOSING_USERS)
        if found is None:
            return _Choice(penalties[len(penalties) // 2], powers[0])
        power = powers[0]
        if len(powers) > 1:
            few, first = (
                min(CHOOSING_NEIGHBOURS, given.neighbours),
                penalties if len(penalties) == 1 else FIRST_PENALTIES,
            )
            power = max(entry for one in powers for entry in _tried(found, one, first, few))[1].user_power
        value, best = max(_tried(found, power, penalties, given.neighbours))
        context.say(
            f"slim: l2 {best.l2}, user power {best.user_power} chosen (ndcg@20 {value:.4f} on held-out training rows)"
        )
        return best


class _Choice(NamedTuple):
    l2: float
    user_power: float


def _tried(found: Trial, power: float, penalties: Sequence[float], neighbours: int) -> list[tuple[float, _Choice]]:
    """Return what each penalty is worth on the rows held out."""
    user_BI = found.seen.to_scipy("weight")
    weights = _weights(found.kept, power, penalties, neighbours)
    return [
        (found.ndcg(user_BI, weight_II), _Choice(penalty, power))
        for penalty, weight_II in zip(penalties, weights, strict=True)
    ]


def _weights(histories: Histories, power: float, penalties: Sequence[float], neighbours: int) -> list[csr_matrix]:
    """Return the weights of each penalty, II."""
    matrix_UI, _, _ = normalised(histories, (power, 0.0))
    scale = max(largest_eigenvalue(matrix_UI), 1e-12)
    return local_ridge(matrix_UI.T.tocsr(), neighbours, [penalty * scale for penalty in penalties])
