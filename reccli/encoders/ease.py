"""EASE as vectors: the item-item ridge regression without its diagonal, solved in the spectrum of the interactions.

U users, I items, R components, E interactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.nn.held_out import hold_out, ndcg
from reccli.nn.spectral import Spectrum, fold_in, spectrum

__all__ = ["Ease"]

PENALTIES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
USER_POWERS = (0.0, 0.25, 0.5)
CHOOSING_USERS = 4096


class Ease(Encoder):
    r"""Predict each item from the rest of the history by ridge regression, with an item never predicting itself.

    ::

        B = argmin |X' - X' B|^2 + l |B|^2   with diag(B) = 0          score(u, i) = sum over j in the history of B_ji

        X' = D_u^(-p) X ~ P S V^T       f_r = s_r^2 / (s_r^2 + l)
        user = sum over the history of f^(1/2) v_j        item_i = f^(1/2) v_i / (1 - sum over r of f_r v_ir^2)

    with `X` the weighted interactions, `v_i` the item's row of the right singular vectors, `s` the singular values,
    `l` the penalty (`settings.l2` times the largest `s^2`) and `p` the power of the users' degrees. For every item
    that is not in the history, the dot product of user and item IS EASE's score: the inverse of the regularised
    Gram matrix is `(1 - V f V^T) / l`, and its unit part only reaches items of the history. So with all components
    this is the exact closed form, without an I x I matrix; with fewer it is the closed form of the truncated Gram
    matrix.

    Args:
        settings.rank: Components; with at least as many as users or items, exact.
        settings.l2: Penalty relative to the largest eigenvalue of the Gram matrix, 0.0005 to 0.1, or `auto`.
        settings.user_power: How much less a row of a user with a long history counts, 0 to 0.5, or `auto`.
        settings.n_iter: Passes of the decomposition.

    Shapes:
        histories -> UR; items -> IR.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth of the training
        rows out (the newest where there is an order) and compares by NDCG@20; validation and test parts are never
        seen. Items without interactions get zeros. The paper has p = 0.

    Paper:
        Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, https://arxiv.org/abs/1905.03375,
        equations 6 to 8.

    Pairs well with:
        Nothing: it has no loss.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Ease(Ease.Settings(l2=0.1, user_power=0.0))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 2), (2, 2))
    """

    class Settings(ComponentSettings):
        """Settings of `ease`."""

        rank: int = Field(default=1024, ge=1)
        """Components; exact where it reaches the number of users or of items."""
        l2: Annotated[float | Literal["auto"], Choices(("auto", 0.002, 0.008, 0.032, 0.128))] = "auto"
        """Penalty as a share of the largest eigenvalue of the Gram matrix: 0.0005 to 0.1, or `auto`."""
        user_power: Annotated[float | Literal["auto"], Choices(("auto", 0.0, 0.25, 0.5))] = "auto"
        """How much less a row of a user with a long history counts: 0 to 0.5, or `auto`."""
        n_iter: int = Field(default=3, ge=1, le=50)
        """Passes of the decomposition."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_IR: Tensor
    history_IR: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then solve on all training rows."""
        self.n_items = data.n_items
        if context.restoring:
            self._keep(np.zeros((data.n_items, 1), np.float32), np.zeros((data.n_items, 1), np.float32))
            return
        penalty, power = self.settings.l2, self.settings.user_power
        if penalty == "auto" or power == "auto":
            penalty, power = self._choose(data, context)
        self._keep(*ease_vectors(self._spectrum(data.train, power, context), penalty))

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR."""
        return torch.from_numpy(fold_in(histories, self.history_IR.cpu().numpy()))

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_IR.cpu().square().sum(1) > 0

    def _keep(self, item_IR: npt.NDArray[np.float32], history_IR: npt.NDArray[np.float32]) -> None:
        self.register_buffer("item_IR", torch.from_numpy(item_IR))
        self.register_buffer("history_IR", torch.from_numpy(history_IR))

    def _spectrum(self, histories: Histories, power: float, context: Context) -> Spectrum:
        generator = context.numpy_generator("ease")
        return spectrum(
            histories, self.settings.rank, generator=generator, n_iter=self.settings.n_iter, powers=(power, 0.0)
        )

    def _choose(self, data: TrainingData, context: Context) -> tuple[float, float]:
        given = self.settings
        penalties: Sequence[float] = PENALTIES if given.l2 == "auto" else [given.l2]
        powers: Sequence[float] = USER_POWERS if given.user_power == "auto" else [given.user_power]
        kept, held = hold_out(data, 0.1, context.numpy_generator("ease held out"))
        user_B = np.flatnonzero((held.length_U > 0) & (kept.length_U > 0))
        if not len(user_B):
            return penalties[len(penalties) // 2], powers[0]
        if len(user_B) > CHOOSING_USERS:
            user_B = np.sort(context.numpy_generator("ease users").choice(user_B, CHOOSING_USERS, replace=False))
        seen, relevant = kept.rows(user_B), held.rows(user_B)
        best = (-1.0, penalties[0], powers[0])
        for power in powers:
            found = self._spectrum(kept, power, context)
            for penalty in penalties:
                item_IR, history_IR = ease_vectors(found, penalty)
                (value,) = ndcg(fold_in(seen, history_IR), item_IR, [item_IR.shape[1]], seen, relevant, k=20)
                best = max(best, (value, penalty, power), key=lambda entry: entry[0])
        context.say(
            f"ease: l2 {best[1]}, user power {best[2]} chosen (ndcg@20 {best[0]:.4f} on held-out training rows)"
        )
        return best[1], best[2]


def ease_vectors(found: Spectrum, l2: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the vectors of items as candidates and as parts of a history, IR each.

    Args:
        found: Spectrum of the interactions, items' degrees not divided out.
        l2: Penalty as a share of the largest squared singular value.
    """
    square_R = found.value_R.astype(np.float64) ** 2
    share_R = square_R / (square_R + l2 * square_R.max(initial=1e-12))
    kept_I = 1.0 - (found.item_IR.astype(np.float64) ** 2) @ share_R
    history_IR = found.item_IR * np.sqrt(share_R)
    return (
        np.ascontiguousarray(history_IR / kept_I[:, None], dtype=np.float32),
        np.ascontiguousarray(history_IR, dtype=np.float32),
    )
