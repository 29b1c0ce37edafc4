"""Distillation: a run learns to rank as a larger one, or an ensemble, does.

B batch rows, G users of a batch, C candidates, N own negatives, D embedding, T teacher's embedding, U users, I items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch, LossInputs
from reccli.errors import ConfigError

__all__ = ["Teacher"]

MOST_SCORES = 1 << 24
FAR = -1e9  # stands for minus infinity, whose products with 0 are NaN


class Teacher(nn.Module):
    """The scores of a finished run as soft targets.

    ::

        L' = L + weight t^2 mean over users of KL( p || q )       p = softmax(z_teacher / t), q = softmax(z_student / t)

    over the items that a batch scores anyway: its positives and shared negatives, each once, or a row's positive and
    its own negatives, or with a `table` loss the whole catalogue. `z` are a user's scores less their mean over their
    deviation: what is taught is the shape of the ranking, so that a teacher of any encoder, loss and scale will do.

    Args:
        user_UT: The teacher's stored users; a score is a dot product.
        item_IT: Its stored items.
        known_U: Users that it knows; the others are not taught.
        known_I: Items that it knows; the others are left out.
        temperature: `t`, .2 to 2; the lower, the more the top of the ranking counts.
        weight: Of the soft targets beside the loss, .1 to 10.

    Notes:
        Where a batch has more than 16 million scores (large batches, `table` losses), the first users of the batch are
        taught; batches come in random order.

    Paper:
        Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531,
        section 2. Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, CVPR 2024,
        https://arxiv.org/abs/2403.01427 (the z-scores). Tang, Wang: Ranking Distillation, KDD 2018,
        https://arxiv.org/abs/1809.07428 (small recommenders from large ones).
    """

    user_UT: Tensor
    item_IT: Tensor
    known_U: Tensor
    known_I: Tensor

    def __init__(
        self,
        user_UT: npt.NDArray[np.float32],
        item_IT: npt.NDArray[np.float32],
        known_U: npt.NDArray[np.bool_],
        known_I: npt.NDArray[np.bool_],
        *,
        temperature: float = 0.5,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature, self.weight = temperature, weight
        for name, value in (("user_UT", user_UT), ("item_IT", item_IT), ("known_U", known_U), ("known_I", known_I)):
            self.register_buffer(name, torch.from_numpy(np.array(value)), persistent=False)

    def forward(self, inputs: LossInputs, batch: Batch) -> Tensor:
        """Return the weighted term of a batch, a scalar.

        Raises:
            ConfigError: The loss compares nothing but a row's own prediction.
        """
        with torch.autocast(inputs.user_BD.device.type, enabled=False):
            inputs = inputs.in_full_precision()
            if inputs.negative_BND is not None and batch.negatives.own_BN is not None:
                code_BC = torch.cat([batch.item_B[:, None], batch.negatives.own_BN], dim=1)
                score_BC = torch.cat([inputs.positive_score_B()[:, None], inputs.negative_score_BN()], dim=1)
                teacher_BC = torch.einsum("bt,bct->bc", self.user_UT[batch.user_B], self.item_IT[code_BC])
                return self._term(score_BC, teacher_BC, self.known_I[code_BC], self.known_U[batch.user_B])
            code_C, item_CD = self._candidates(inputs, batch)
            row_G = self._rows(batch, len(code_C))
            code_G = batch.user_B[row_G]
            score_GC = inputs.similarity.matrix(inputs.user_BD[row_G], item_CD)
            teacher_GC = self.user_UT[code_G] @ self.item_IT[code_C].T
            return self._term(score_GC, teacher_GC, self.known_I[code_C].expand_as(score_GC), self.known_U[code_G])

    def _candidates(self, inputs: LossInputs, batch: Batch) -> tuple[Tensor, Tensor]:
        if inputs.table_ID is not None:
            return torch.arange(len(inputs.table_ID), device=inputs.table_ID.device), inputs.table_ID
        shared_N = batch.negatives.shared_N
        if inputs.negative_ND is None or shared_N is None:
            raise ConfigError("teacher: this loss ranks no items against each other", hint="--loss infonce")
        code_X = torch.cat([batch.item_B, shared_N])
        vector_XD = torch.cat([inputs.positive_BD, inputs.negative_ND[: len(shared_N)]])
        code_C, place_X = torch.unique(code_X, return_inverse=True)
        first_C = torch.full_like(code_C, len(code_X)).scatter_reduce_(
            0, place_X, torch.arange(len(code_X), device=code_X.device), "amin"
        )
        return code_C, vector_XD[first_C]

    @staticmethod
    def _rows(batch: Batch, candidates: int) -> Tensor:
        """Return one row of each user, the last one (it knows most of the history), as many as may be scored."""
        user_G, place_B = torch.unique(batch.user_B, return_inverse=True)
        last_G = torch.zeros_like(user_G).scatter_reduce_(
            0, place_B, torch.arange(len(batch), device=place_B.device), "amax"
        )
        return last_G.sort().values[: max(1, MOST_SCORES // max(candidates, 1))]

    def _term(self, score_GC: Tensor, teacher_GC: Tensor, known_GC: Tensor, known_G: Tensor) -> Tensor:
        taught_G = known_G & (known_GC.sum(1) > 1)
        log_p_GC = self._log_shares(teacher_GC.to(score_GC.dtype), known_GC)
        log_q_GC = self._log_shares(score_GC, known_GC)
        divergence_G = (log_p_GC.exp() * (log_p_GC - log_q_GC)).sum(1)
        mean = (divergence_G * taught_G).sum() / taught_G.sum().clamp_min(1)
        return self.weight * self.temperature**2 * mean

    def _log_shares(self, score_GC: Tensor, known_GC: Tensor) -> Tensor:
        count_G1 = known_GC.sum(1, keepdim=True).clamp_min(1)
        centred_GC = torch.where(known_GC, score_GC, 0.0)
        centred_GC = torch.where(known_GC, centred_GC - centred_GC.sum(1, keepdim=True) / count_G1, 0.0)
        deviation_G1 = (centred_GC.square().sum(1, keepdim=True) / count_G1 + 1e-12).sqrt()
        return (centred_GC / deviation_G1 / self.temperature).masked_fill(~known_GC, FAR).log_softmax(1)
