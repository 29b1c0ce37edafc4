"""A first value for a head on text vectors: what the texts tell about who likes what, by ridge regression.

U users, I items, J items left out, R components, D embedding, H users with an item left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api.data import Histories
from reccli.nn.spectral import item_scale, spectrum
from reccli.nn.text_left_out import Generator, LeftOut, leave_out
from reccli.nn.text_pooling import interaction_weights, pool_histories

__all__ = ["RidgeHead", "popularity_slope", "ridge_head", "tilted_items", "tilted_users"]

STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
TILTS = (0.0, 0.05, 0.1, 0.2)
RANK = 64
RIDGE = 0.03


@dataclass(frozen=True)
class RidgeHead:
    """A head and how it was chosen.

    Args:
        head_DD: To be added to the identity.
        tilt_D: Gives, by a product with a text vector, what to add to an item's cosine for its popularity.
        strength: Weight of the regression on the spectrum; 0 for the plain vectors.
        tilt: Weight of the popularity that is told by the text.
        value: NDCG@20 among items that were left out, with these weights.
        plain: The same with the plain vectors.
    """

    head_DD: Tensor
    tilt_D: Tensor
    strength: float
    tilt: float
    value: float
    plain: float

    @property
    def story(self) -> str:
        """One line for people."""
        if not self.strength and not self.tilt:
            return "head: starts from the frozen vectors as they are"
        return (
            f"head: starts from regressions on the spectrum ({self.strength:g}) and on popularity ({self.tilt:g}; "
            f"ndcg@20 {self.value:.3f} on items left out, {self.plain:.3f} without)"
        )


def ridge_head(base_ID: Tensor, train: Histories, numpy_generator: Generator) -> RidgeHead:
    """Return the head whose products are those of the text vectors with their spectral estimate beside them.

    ::

        S = argmin |X_w S - d_w^(1/2) V_w|^2 + r |S|^2        (I + W)^2 = I + (g c)^2 S S^T

    with `X_w` the text vectors of the items seen in training, `V_w` their rows of the right singular vectors of the
    normalised interactions, `d_w` their interactions, `c` what makes both parts equally long, and `g` the strength.
    `W` is the head, so that `x (I + W)` has the same dot products as the pair `[x, g c x S]`. A second regression, on
    `log(1 + interactions)`, tells how popular an item is likely to be; a share of it (`tilt`) is added to the cosine.

    A fifth of the items seen in training is left out, three times, to choose both strengths, 0 among the candidates:
    the spectrum and the regressions are made without these, and each candidate ranks them for the users who have some
    of them. With too few items or users for that, nothing is added.

    Args:
        base_ID: Centred text vectors.
        train: Training interactions.
        numpy_generator: Gives a generator by name.
    """
    size = base_ID.shape[1]
    drawn = leave_out(train, numpy_generator)
    if not drawn:
        return RidgeHead(torch.zeros(size, size), torch.zeros(size), 0.0, 0.0, 0.0, 0.0)
    found = [_values(base_ID, left, numpy_generator) for left in drawn]
    values = {key: sum(values[key] for values in found) / len(found) for key in found[0]}
    strength, tilt = max(values, key=lambda pair: values[pair])
    regression_DR = _regression(base_ID, train, numpy_generator("ridge spectrum"))
    tilt_D = tilt * popularity_slope(base_ID, train)
    return RidgeHead(_head(regression_DR, strength), tilt_D, strength, tilt, values[strength, tilt], values[0.0, 0.0])


def _values(base_ID: Tensor, left: LeftOut, generator: Generator) -> dict[tuple[float, float], float]:
    """Return NDCG@20 among the items left out, for each strength and tilt."""
    regression_DR = _regression(base_ID, left.kept, generator("ridge spectrum"))
    user_HD = pool_histories(left.history, interaction_weights(left.history), base_ID)
    item_JD, popular_D = base_ID[left.item_J], popularity_slope(base_ID, left.kept)
    values = {}
    for strength in STRENGTHS:
        head_DD = _head(regression_DR, strength)
        user_HS = tilted_users(user_HD + user_HD @ head_DD)
        for tilt in TILTS:
            item_JS = tilted_items(item_JD + item_JD @ head_DD, tilt * (item_JD @ popular_D))
            values[strength, tilt] = left.value(user_HS, item_JS)
    return values


def tilted_users(user_BD: Tensor) -> Tensor:
    """Return unit vectors with a 1 behind them, which meets an item's tilt: BD -> B(D+1); a zero stays a zero."""
    there_B1 = (user_BD.detach().square().sum(1, keepdim=True) > 0).to(user_BD.dtype)
    return torch.cat([functional.normalize(user_BD, dim=1), there_B1], dim=1)


def tilted_items(item_ND: Tensor, tilt_N: Tensor) -> Tensor:
    """Return unit vectors with their tilt behind them: ND -> N(D+1)."""
    return torch.cat([functional.normalize(item_ND, dim=1), tilt_N.unsqueeze(1)], dim=1)


def popularity_slope(base_ID: Tensor, train: Histories) -> Tensor:
    """Return the regression from text vectors to log(1 + interactions), D, scaled to a spread of 1 over items."""
    count_I = torch.from_numpy(np.bincount(train.item_E, minlength=train.n_items))
    text_WD = base_ID[count_I > 0].double()
    target_W = count_I[count_I > 0].double().log1p()
    slope_D = _ridge(text_WD, (target_W - target_W.mean()).unsqueeze(1))[:, 0]
    popular_D: Tensor = (slope_D / (text_WD @ slope_D).std().clamp_min(1e-12)).float()
    return popular_D


def _ridge(text_WD: Tensor, target_WR: Tensor) -> Tensor:
    gram_DD = text_WD.T @ text_WD
    ridge = RIDGE * float(gram_DD.diagonal().mean())
    found_DR: Tensor = torch.linalg.solve(gram_DD + ridge * torch.eye(len(gram_DD)).double(), text_WD.T @ target_WR)
    return found_DR


def _regression(base_ID: Tensor, train: Histories, generator: np.random.Generator) -> Tensor:
    """Return the regression from text vectors to spectral vectors, DR, scaled to the length of the text vectors."""
    found = spectrum(train, RANK, generator=generator)
    warm = torch.from_numpy(found.degree_I > 0)
    target_WR = torch.from_numpy(found.item_IR * item_scale(found.degree_I, 0.5)[:, None])[warm].double()
    text_WD = base_ID[warm].double()
    regression_DR = _ridge(text_WD, target_WR)
    length = text_WD.norm(dim=1).mean() / (text_WD @ regression_DR).norm(dim=1).mean().clamp_min(1e-12)
    scaled_DR: Tensor = (regression_DR * length).float()
    return scaled_DR


def _head(regression_DR: Tensor, strength: float) -> Tensor:
    """Return the symmetric W with (I + W)^2 = I + strength^2 S S^T, DD."""
    square_DD = (regression_DR @ regression_DR.T).double() * strength**2
    value_D, turn_DD = torch.linalg.eigh(square_DD)
    head_DD: Tensor = (turn_DD * ((1.0 + value_D.clamp_min(0)).sqrt() - 1.0) @ turn_DD.T).float()
    return head_DD
