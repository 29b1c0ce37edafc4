"""Users of a text encoder, other than as plain means: by attention over their history, or by what they say.

B batch rows, G distinct users of a batch, H history entries of a batch, U users, I items, E interactions, D text
vector, A hidden numbers of the attention, N texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.data import Histories
from reccli.errors import DataError
from reccli.nn.pooling import pool, ragged
from reccli.nn.ridge import ridge
from reccli.nn.text_pooling import divided, interaction_weights, mean_histories, pair_weights
from reccli.nn.text_source import TextSource

__all__ = ["AttendedHistories", "UserTexts"]

HIDDEN = 64
MOST = 3.0


class AttendedHistories(nn.Module):
    """The mean of a history in which each item counts by what its text says.

    ::

        h_u = sum_j e_j w_uj x_j / sum_j e_j w_uj        e_j = exp(3 tanh(q . tanh(x_j K) / 3))

    with `x_j` the items' text vectors, `w_uj` the weights of the plain mean, and `q` (`query_A`) and `K` (`key_DA`)
    trained. `q` starts from 0, which is the plain mean. No item counts more than e^3 or less than e^-3, so that a row's
    own item can be taken out of the sum without loss of digits.

    Args:
        train: Training histories.
        weights: Gives the weights of the plain mean for any histories.
        size: D.
        generator: Draws the start of `K`.

    Paper:
        Wu, Wu, Ge, Qi, Huang, Xie: Neural News Recommendation with Multi-Head Self-Attention, EMNLP 2019,
        https://aclanthology.org/D19-1671 (additive attention over the news a user has read).
    """

    offset_U1: Tensor
    item_E: Tensor
    weight_E: Tensor
    own_E: Tensor

    def __init__(
        self,
        train: Histories,
        weights: Callable[[Histories], npt.NDArray[np.float32]],
        size: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.key_DA = nn.Parameter(torch.randn(size, HIDDEN, generator=generator) * 2.0 * size**-0.5)
        self.query_A = nn.Parameter(torch.zeros(HIDDEN))
        weight_E = weights(train)
        kept = {
            "offset_U1": train.offset_U1,
            "item_E": train.item_E,
            "weight_E": weight_E,
            "own_E": pair_weights(train, weight_E),
        }
        for name, array in kept.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def attention(self, vector_ND: Tensor) -> Tensor:
        """Return how much items count, N; 1 for all at the start."""
        logit_N = torch.tanh(vector_ND @ self.key_DA) @ self.query_A
        return torch.exp(MOST * torch.tanh(logit_N / MOST))

    def of_rows(self, batch: Batch, base_ID: Tensor) -> Tensor:
        """Return each row's user without the row's own item, BD."""
        user_G, place_B = torch.unique(batch.user_B, return_inverse=True)
        start_G = self.offset_U1[user_G]
        index_H, begin_G = ragged(start_G, self.offset_U1[user_G + 1] - start_G)
        sum_GD, mass_G = self._sums(base_ID, self.item_E[index_H], begin_G, self.weight_E[index_H])
        own_BD = base_ID[batch.item_B]
        own_B1 = (self.own_E[batch.row_B] * self.attention(own_BD)).unsqueeze(1)
        return divided(sum_GD[place_B] - own_B1 * own_BD, mass_G[place_B].unsqueeze(1) - own_B1)

    def of_histories(self, histories: Histories, base_ID: Tensor) -> Tensor:
        """Return users given by history, UD; zeros for an empty one."""
        item_E, offset_U, weight_E = (
            torch.from_numpy(array).to(base_ID.device)
            for array in (histories.item_E, histories.offset_U1[:-1], self.weights(histories))
        )
        sum_UD, mass_U = self._sums(base_ID, item_E, offset_U, weight_E)
        return divided(sum_UD, mass_U.unsqueeze(1))

    def _sums(self, base_ID: Tensor, item_H: Tensor, begin_G: Tensor, weight_H: Tensor) -> tuple[Tensor, Tensor]:
        code_M, place_H = torch.unique(item_H, return_inverse=True)
        weight_H = weight_H * self.attention(base_ID[code_M])[place_H]
        number_H = torch.arange(len(item_H), device=item_H.device)
        mass_G1 = pool(weight_H.unsqueeze(1), number_H, begin_G, torch.ones_like(weight_H))
        return pool(base_ID, item_H, begin_G, weight_H), mass_G1[:, 0]


class UserTexts(nn.Module):
    """Users by their own texts: text vectors, minus their mean, through a matrix that makes histories of them.

    ::

        h_u = (m(text_u) - mean of m(text_v) over users v with a text) M

    `M` (`user_DD`) starts from a ridge regression of the training users' mean histories on their texts. Users without a
    text are zeros. Vectors are made again when the text model has been trained further; no gradient passes through.

    Args:
        source: The text model.
        texts: One text per user, prefix included.
        told_U: Users who have a text.
        train: Training histories.
        base_ID: Text vectors of the items.
        restoring: Whether state is loaded next.

    Raises:
        DataError: No user has a text.
    """

    text_UD: Tensor
    mean_D: Tensor
    told_U: Tensor

    def __init__(
        self,
        source: TextSource,
        texts: Sequence[str],
        told_U: Tensor,
        train: Histories,
        base_ID: Tensor,
        *,
        restoring: bool = False,
    ) -> None:
        super().__init__()
        if not bool(told_U.any()):
            raise DataError(
                "user=text: no user has a text",
                hint="reccli prepare RATINGS --users FILE, with columns that say something of users",
            )
        self.source, self.texts, self._made_for = source, list(texts), base_ID
        self.register_buffer("told_U", told_U, persistent=False)
        vector_UD = torch.from_numpy(source.vectors(self.texts))
        mean_D = vector_UD[told_U].mean(0)
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("text_UD", (vector_UD - mean_D) * told_U[:, None], persistent=source.mode != "frozen")
        size = base_ID.shape[1]
        start_DD = torch.eye(size)
        if not restoring:
            weight_E = interaction_weights(train)
            total_U = torch.from_numpy(np.bincount(train.user_E, weights=weight_E, minlength=train.n_users))
            mean_UD = mean_histories(train, weight_E, base_ID)
            known_U = told_U & (total_U > 0)
            start_DD = ridge(self.text_UD[known_U], mean_UD[known_U])
        self.user_DD = nn.Parameter(start_DD)

    def of_rows(self, batch: Batch, base_ID: Tensor) -> Tensor:
        """Return each row's user, BD."""
        return self._now(base_ID)[batch.user_B] @ self.user_DD

    def of_histories(self, histories: Histories, base_ID: Tensor) -> Tensor:
        """Return all training users in their order, UD, whatever their histories are."""
        return self._now(base_ID) @ self.user_DD

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return users given by texts, ND."""
        vector_ND = torch.from_numpy(self.source.vectors(list(texts))).to(self.mean_D.device)
        return (vector_ND - self.mean_D) @ self.user_DD

    def _now(self, base_ID: Tensor) -> Tensor:
        """Return the users' vectors as old as the items', UD."""
        if self._made_for is not base_ID and self.source.mode != "frozen":
            vector_UD = torch.from_numpy(self.source.vectors(self.texts, cached=False)).to(self.mean_D.device)
            self.mean_D = vector_UD[self.told_U].mean(0)
            self.text_UD = (vector_UD - self.mean_D) * self.told_U[:, None]
        self._made_for = base_ID
        return self.text_UD
