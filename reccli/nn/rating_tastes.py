"""Tastes of users over features of items: Bayesian linear regressions that share a prior, learned from all users.

U users, V users looked at, I items, E interactions, F features, B batch rows, N items asked for, n rows of a user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.data import Histories

__all__ = ["RatingTastes"]

NOISE = 2 / 3  # variance of a rating that no taste explains; all variances are parts of what the first biases leave
TRUST = 30.0  # users' worth of the first prior
PULL = 50.0  # users' worth of a mean of 0
SHRINK_ITEMS, SHRINK_USERS = 4.0, 8.0
TURNS = 10
ROUNDS = 7
MOST_USERS = 4000
MOST_KEPT = 1 << 27  # numbers: half a gigabyte


@dataclass(frozen=True)
class Posterior:
    """What the ratings of one user say.

    Args:
        weight_F: Mean of the user's weights, in deviations from the prior (`v`).
        inverse_FF: Their covariance.
        left_n: What the mean leaves of each rating.
        leverage_n: How much of its own value each rating's fit is made of.
    """

    weight_F: Tensor
    inverse_FF: Tensor
    left_n: Tensor
    leverage_n: Tensor

    def without_own(self, row_nF: Tensor) -> Tensor:
        """Return the mean of the weights without each single rating, nF, as if it had never been there."""
        step_n = self.left_n / ((1.0 - self.leverage_n).clamp_min(1e-6) * NOISE)
        return self.weight_F - step_n[:, None] * (row_nF @ self.inverse_FF)


class RatingTastes(nn.Module):
    """Predict a rating by the user's weights of what the item is like.

    ::

        y_ui = m + b_i + s (w_u . f_i + noise)        w_u ~ N(mu, S)
        w_u  = mu + L v_u,  L L^T = S                 v_u = (X^T X + r 1)^-1 X^T (left_u / s - X_mu)

    with `f_i` features of an item, the first of them a constant (the user's bias), `X` the rows `L^T f_i` of the items
    that the user rated, `r` the variance of the noise, `b_i` shrunken means of what all others leave, and `s` the
    spread of what the biases leave. `mu` and `S` are learned from all users by expectation and maximisation, `S` with
    an inverse Wishart prior around 1, as many users' worth as `TRUST`; each round makes the `b_i` anew of what the
    users' other ratings leave. So an item without ratings gets `mu . f_i`, what its features say to everybody.

    It holds nothing before `fit`, or before a state is loaded.

    Args:
        train: Training interactions, whose values are ratings.

    Notes:
        Users have a closed form in any case: those who come after training too, and of a training row without the row's
        own rating. With very many users the prior is learned from 4,000 of them.

    Paper:
        Yu, Lafferty, Zhu, Gong: Large-scale Collaborative Prediction Using a Nonparametric Random Effects Model,
        ICML 2009, https://doi.org/10.1145/1553374.1553525 (a prior over tastes, learned by EM). Paterek: Improving
        regularized singular value decomposition for collaborative filtering, KDD Cup 2007 (ridge over item vectors).
    """

    factor_FF: Tensor
    mean_F: Tensor
    bias_I: Tensor
    centre: Tensor
    spread: Tensor
    item_IF: Tensor

    def __init__(self, train: Histories) -> None:
        super().__init__()
        self.train_histories = train
        self.kept: tuple[Tensor, int, Tensor] | None = None
        self.register_buffer("factor_FF", torch.zeros(0, 0))
        self.register_buffer("item_IF", torch.zeros(train.n_items, 0))
        self.register_buffer("mean_F", torch.zeros(0))
        self.register_buffer("bias_I", torch.zeros(train.n_items))
        for name in ("centre", "spread"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def fit(self, feature_IF: Tensor, generator: np.random.Generator) -> float:
        """Learn prior and biases from the training ratings; return the root mean squared error without own ratings.

        Args:
            feature_IF: Features, the first one constant, scaled so that a prior of 1 is sensible.
            generator: Draws the users to learn the prior from, where there are very many.
        """
        train, size = self.train_histories, feature_IF.shape[1]
        bias_I, spread, centre = _first_biases(train)
        drawn = np.sort(generator.permutation(np.flatnonzero(train.length_U > 0))[:MOST_USERS])
        some = train if len(drawn) == train.n_users else train.rows(drawn)
        count_I = np.bincount(some.item_E, minlength=train.n_items)
        self.centre.fill_(centre)
        self.spread.fill_(spread)
        self.factor_FF, self.mean_F = torch.eye(size), torch.zeros(size)
        self.bias_I, self.item_IF = torch.from_numpy(bias_I), feature_IF
        error = spread
        for turn in range(ROUNDS):
            told_E, second_FF, first_F, users = self._expect(some)
            left_E = some.value_E - centre - told_E
            error = float(np.sqrt(np.mean((left_E - self.bias_I.numpy()[some.item_E]) ** 2))) if len(some) else 0.0
            if turn == ROUNDS - 1:
                break
            self._maximise(feature_IF, second_FF, first_F, users)
            sums_I = np.bincount(some.item_E, weights=left_E, minlength=train.n_items)
            self.bias_I = torch.from_numpy((sums_I / (count_I + SHRINK_ITEMS)).astype(np.float32))
        return error

    def _expect(self, some: Histories) -> tuple[npt.NDArray[np.float64], Tensor, Tensor, int]:
        """Return predictions without bias or own rating, E, and the sums of second and first moments of `v`."""
        size = self.item_IF.shape[1]
        second_FF, first_F = torch.zeros(size, size), torch.zeros(size)
        told, users = [np.zeros(0)], 0
        for row_nF, found in self._posteriors(some, np.flatnonzero(some.length_U > 0)):
            weight_nF = found.without_own(row_nF) + self.mean_F
            told.append((float(self.spread) * (weight_nF * row_nF).sum(1)).double().numpy())
            second_FF += torch.outer(found.weight_F, found.weight_F) + found.inverse_FF
            first_F += found.weight_F
            users += 1
        return np.concatenate(told), second_FF, first_F, users

    def _maximise(self, feature_IF: Tensor, second_FF: Tensor, first_F: Tensor, users: int) -> None:
        """Set the prior to what fits the users best, and turn the features to it."""
        mean_F = self.factor_FF @ (self.mean_F + first_F / (users + PULL))
        eye_FF = torch.eye(len(mean_F))
        spread_FF = self.factor_FF @ second_FF @ self.factor_FF.T
        self.factor_FF = torch.linalg.cholesky((spread_FF + TRUST * eye_FF) / (users + TRUST))
        self.mean_F = torch.linalg.solve_triangular(self.factor_FF, mean_F[:, None], upper=False)[:, 0]
        self.item_IF = feature_IF @ self.factor_FF

    def _posteriors(self, histories: Histories, user_V: npt.NDArray[np.int64]) -> Iterator[tuple[Tensor, Posterior]]:
        """Yield the turned features of what each user rated, nF, and the user's posterior."""
        device = self.item_IF.device
        item_E, value_E = (torch.from_numpy(array).to(device) for array in (histories.item_E, histories.value_E))
        for user in user_V:
            low, high = int(histories.offset_U1[user]), int(histories.offset_U1[user + 1])
            item_n = item_E[low:high]
            row_nF = self.item_IF[item_n]
            wanted_n = (value_E[low:high] - self.centre - self.bias_I[item_n]) / self.spread - row_nF @ self.mean_F
            gram_FF = row_nF.T @ row_nF / NOISE
            gram_FF.diagonal().add_(1.0)
            inverse_FF = torch.cholesky_inverse(torch.linalg.cholesky(gram_FF))
            weight_F = inverse_FF @ (row_nF.T @ wanted_n) / NOISE
            leverage_n = ((row_nF @ inverse_FF) * row_nF).sum(1) / NOISE
            yield row_nF, Posterior(weight_F, inverse_FF, wanted_n - row_nF @ weight_F, leverage_n)

    @property
    def fitted(self) -> bool:
        """Whether there is anything yet."""
        return bool(self.item_IF.shape[1])

    @torch.no_grad()
    def of_rows(self, batch: Batch) -> Tensor:
        """Return users of a training batch without the row's own rating, B(F+1).

        Nothing of it changes in training: where rows are not too many, all are kept from the first time.
        """
        train = self.train_histories
        if not self.fitted:
            return self.mean_F.new_ones(len(batch), 1)
        if len(train) * (self.item_IF.shape[1] + 1) > MOST_KEPT:
            return self._of_rows(batch.row_B, batch.user_B)
        known = self.kept
        if known is None or known[0] is not self.item_IF or known[1] != self.item_IF._version:  # fitted, or loaded into
            user_E = torch.from_numpy(train.user_E).to(self.item_IF.device)
            row_E = torch.arange(len(train), device=user_E.device)
            self.kept = known = self.item_IF, self.item_IF._version, self._of_rows(row_E, user_E)
        return known[2][batch.row_B]

    def _of_rows(self, row_B: Tensor, user_B: Tensor) -> Tensor:
        train, size = self.train_histories, self.item_IF.shape[1]
        found_BF = self.mean_F.new_ones(len(row_B), size + 1)
        user_G, group_B = torch.unique(user_B, return_inverse=True)
        user_V = user_G.cpu().numpy()
        place_B = row_B - torch.from_numpy(train.offset_U1).to(group_B.device)[user_B]
        order_B = torch.argsort(group_B, stable=True)
        parts = torch.split(order_B, torch.bincount(group_B, minlength=len(user_V)).tolist())
        for mine, (row_nF, found) in zip(parts, self._posteriors(train, user_V), strict=True):
            found_BF[mine, :size] = (found.without_own(row_nF) + self.mean_F)[place_B[mine]]
        return found_BF

    @torch.no_grad()
    def of_histories(self, histories: Histories) -> Tensor:
        """Return users given by any history, U(F+1); the prior's mean where it is empty."""
        size = self.item_IF.shape[1]
        found_UF = torch.cat([self.mean_F, self.mean_F.new_ones(1)]).repeat(histories.n_users, 1)
        if self.fitted:
            user_V = np.flatnonzero(histories.length_U > 0)
            for user, (_, found) in zip(user_V, self._posteriors(histories, user_V), strict=True):
                found_UF[int(user), :size] += found.weight_F
        return found_UF

    def of_items(self, item_N: Tensor) -> Tensor:
        """Return items of the catalogue, N(F+1): turned features on the scale of the ratings, and the bias."""
        return torch.cat([self.spread * self.item_IF[item_N], self.bias_I[item_N, None]], dim=1)

    def of_features(self, feature_NF: Tensor) -> Tensor:
        """Return items that nobody rated, N(F+1)."""
        if not self.fitted:
            return feature_NF.new_zeros(len(feature_NF), 1)
        turned_NF = self.spread * (feature_NF @ self.factor_FF)
        return torch.cat([turned_NF, turned_NF.new_zeros(len(turned_NF), 1)], dim=1)


def _first_biases(train: Histories) -> tuple[npt.NDArray[np.float32], float, float]:
    """Return shrunken biases of items beside those of users, by turns; the spread of what they leave, and the mean."""
    value_E = train.value_E.astype(np.float64)
    mean = float(value_E.mean()) if len(train) else 0.0
    bias_I, bias_U = np.zeros(train.n_items), np.zeros(train.n_users)
    for _ in range(TURNS):
        bias_I = _shrunken(train.item_E, value_E - mean - bias_U[train.user_E], train.n_items, SHRINK_ITEMS)
        bias_U = _shrunken(train.user_E, value_E - mean - bias_I[train.item_E], train.n_users, SHRINK_USERS)
    left_E = value_E - mean - bias_I[train.item_E]
    spread = float(left_E.std()) if len(train) else 0.0
    return bias_I.astype(np.float32), max(spread, 1e-3), mean


def _shrunken(
    code_E: npt.NDArray[np.int64], left_E: npt.NDArray[np.float64], size: int, shrink: float
) -> npt.NDArray[np.float64]:
    total = np.bincount(code_E, weights=left_E, minlength=size)
    return np.asarray(total / (np.bincount(code_E, minlength=size) + shrink))
