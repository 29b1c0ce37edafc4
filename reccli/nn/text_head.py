"""A first value for a head on text vectors: what the texts tell about who likes what, by ridge regression.

U users, I items, J items left out, R components, D embedding, H users with an item left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api.data import Histories
from reccli.nn.held_out import ndcg
from reccli.nn.spectral import item_scale, spectrum
from reccli.nn.text_pooling import interaction_weights, pool_histories

__all__ = ["RidgeHead", "ridge_head"]

STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
RANK = 64
RIDGE = 0.03
LEFT_OUT = 0.2
FEWEST = 50
MOST_USERS = 2048


@dataclass(frozen=True)
class RidgeHead:
    """A head and how it was chosen.

    Args:
        head_DD: To be added to the identity.
        strength: Weight of the regression; 0 for the plain vectors.
        value: NDCG@20 among items that were left out, with this strength.
        plain: The same without the regression.
    """

    head_DD: Tensor
    strength: float
    value: float
    plain: float

    @property
    def story(self) -> str:
        """One line for people."""
        if not self.strength:
            return "head: starts from the frozen vectors as they are"
        return (
            f"head: starts from a regression on the spectrum, strength {self.strength:g} "
            f"(ndcg@20 {self.value:.3f} on items left out, {self.plain:.3f} without)"
        )


def ridge_head(base_ID: Tensor, train: Histories, numpy_generator: Callable[[str], np.random.Generator]) -> RidgeHead:
    """Return the head whose products are those of the text vectors with their spectral estimate beside them.

    ::

        S = argmin |X_w S - d_w^(1/2) V_w|^2 + r |S|^2        (I + W)^2 = I + (g c)^2 S S^T

    with `X_w` the text vectors of the items seen in training, `V_w` their rows of the right singular vectors of the
    normalised interactions, `d_w` their interactions, `c` what makes both parts equally long, and `g` the strength.
    `W` is the head, so that `x (I + W)` has the same dot products as the pair `[x, g c x S]`.

    A fifth of the items seen in training is left out to choose the strength, 0 among the candidates: the spectrum and
    the regression are made without these, and each strength ranks them for the users who have some of them. With too
    few items or users for that, the head is 0.

    Args:
        base_ID: Centred text vectors.
        train: Training interactions.
        numpy_generator: Gives a generator by name.
    """
    count_I = np.bincount(train.item_E, minlength=train.n_items)
    warm = np.flatnonzero(count_I > 0)
    none = RidgeHead(torch.zeros(base_ID.shape[1], base_ID.shape[1]), 0.0, 0.0, 0.0)
    if len(warm) < FEWEST:
        return none
    left_J = np.sort(numpy_generator("ridge items").permutation(warm)[: int(LEFT_OUT * len(warm))])
    values = _choose(base_ID, train, left_J, numpy_generator)
    best = int(np.argmax(values)) if values else 0
    if STRENGTHS[best] == 0:
        return none if not values else RidgeHead(none.head_DD, 0.0, values[0], values[0])
    head_DD = _head(_regression(base_ID, train, numpy_generator("ridge spectrum")), STRENGTHS[best])
    return RidgeHead(head_DD, STRENGTHS[best], values[best], values[0])


def _choose(
    base_ID: Tensor, train: Histories, left_J: npt.NDArray[np.int64], generator: Callable[[str], np.random.Generator]
) -> list[float]:
    """Return NDCG@20 among the items left out, for each strength."""
    is_left_E = np.isin(train.item_E, left_J)
    kept, left = _part(train, ~is_left_E), _part(train, is_left_E)
    user_H = np.flatnonzero((kept.length_U > 0) & (left.length_U > 0))
    if len(user_H) > MOST_USERS:
        user_H = np.sort(generator("ridge users").choice(user_H, MOST_USERS, replace=False))
    if not len(user_H) or not len(kept):
        return []
    regression_DR = _regression(base_ID, kept, generator("ridge spectrum"))
    renumbered = np.zeros(train.n_items, np.int64)
    renumbered[left_J] = np.arange(len(left_J))
    wanted = left.rows(user_H)
    wanted = Histories.from_arrays(wanted.user_E, renumbered[wanted.item_E], n_users=len(user_H), n_items=len(left_J))
    nothing = Histories.from_arrays([], [], n_users=len(user_H), n_items=len(left_J))
    history = kept.rows(user_H)
    user_HD = pool_histories(history, interaction_weights(history), base_ID)
    values = []
    for strength in STRENGTHS:
        head_DD = _head(regression_DR, strength)
        user, item = user_HD + user_HD @ head_DD, base_ID[left_J] + base_ID[left_J] @ head_DD
        item = functional.normalize(item, dim=1)
        values += ndcg(user.numpy(), item.numpy(), [item.shape[1]], nothing, wanted, k=20)
    return values


def _regression(base_ID: Tensor, train: Histories, generator: np.random.Generator) -> Tensor:
    """Return the regression from text vectors to spectral vectors, DR, scaled to the length of the text vectors."""
    found = spectrum(train, RANK, generator=generator)
    warm = torch.from_numpy(found.degree_I > 0)
    target_WR = torch.from_numpy(found.item_IR * item_scale(found.degree_I, 0.5)[:, None])[warm].double()
    text_WD = base_ID[warm].double()
    gram_DD = text_WD.T @ text_WD
    ridge = RIDGE * float(gram_DD.diagonal().mean())
    regression_DR = torch.linalg.solve(gram_DD + ridge * torch.eye(len(gram_DD)).double(), text_WD.T @ target_WR)
    length = text_WD.norm(dim=1).mean() / (text_WD @ regression_DR).norm(dim=1).mean().clamp_min(1e-12)
    scaled_DR: Tensor = (regression_DR * length).float()
    return scaled_DR


def _head(regression_DR: Tensor, strength: float) -> Tensor:
    """Return the symmetric W with (I + W)^2 = I + strength^2 S S^T, DD."""
    square_DD = (regression_DR @ regression_DR.T).double() * strength**2
    value_D, turn_DD = torch.linalg.eigh(square_DD)
    head_DD: Tensor = (turn_DD * ((1.0 + value_D.clamp_min(0)).sqrt() - 1.0) @ turn_DD.T).float()
    return head_DD


def _part(histories: Histories, chosen_E: npt.NDArray[np.bool_]) -> Histories:
    return Histories.from_arrays(
        histories.user_E[chosen_E],
        histories.item_E[chosen_E],
        n_users=histories.n_users,
        n_items=histories.n_items,
        weight_E=histories.weight_E[chosen_E],
        time_E=histories.time_E[chosen_E],
    )
