"""Normalised temperature-scaled cross-entropy, both ways round. B batch rows, N = B or more negatives, G users."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import ConfigError
from reccli.nn.user_negatives import negative_scores, to_rows

__all__ = ["NTXent"]


class NTXent(Loss):
    """Pick a user's positive among the batch's items, and an item's user among the batch's users.

    ::

        l_b = 1/2 ( -s_b / t + log( exp(s_b / t) + sum over items j unknown to user b of exp(s_bj / t - c_j) ) )
            + 1/2 ( -s_b / t + log( exp(s_b / t) + sum over users k who do not know item b of exp(s_kb / t) ) )

    with `s_b` the similarity of row b's user and positive, `s_bj` that of its user and row j's item, `s_kb` that of
    another user of the batch and its item, `t` the temperature, and `c_j = log(N q_j)` with `log_q`, else 0.

    Args:
        settings.temperature: What similarities are divided by; 0.05 to 0.3 for cosines, about 1 for dot products.
        settings.log_q: Correct the first half for how often an item is in a batch (`log_q_N`).

    Shapes:
        user_BD, positive_BD, negative_ND (the batch's positives first), known_BN, log_q_N -> value_B.

    Raises:
        ConfigError: Negatives are not the batch's own, or `log_q` is on and there are no proposal probabilities.

    Notes:
        `infonce` with `in-batch` is the first half. In the paper both views of a pair are of one kind, and a view is
        told apart from all others; here users are told apart from users, and items from items, by way of the other
        side alone. Where rows share user vectors, each user counts once among the users. Negatives of a cross-batch
        memory join the first half.

    Paper:
        Chen, Kornblith, Norouzi, Hinton: SimCLR, A Simple Framework for Contrastive Learning of Visual Representations,
        ICML 2020, https://arxiv.org/abs/2002.05709, equation 1.

    Pairs well with:
        `in-batch`, and no other sampler; cosine similarity.

    Example:
        >>> from reccli.api import Similarity
        >>> eye = torch.eye(2)
        >>> inputs = LossInputs(eye, eye, Similarity("cosine"), torch.arange(2), torch.ones(2), torch.ones(2),
        ...                     negative_ND=eye, known_BN=torch.eye(2, dtype=torch.bool))
        >>> NTXent(NTXent.Settings(temperature=0.5))(inputs).value_B.round(decimals=4)
        tensor([0.1269, 0.1269])
    """

    class Settings(ComponentSettings):
        """Settings of `nt-xent`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What similarities are divided by: 0.05 to 0.3 for cosines, about 1 for dot products."""
        log_q: bool = False
        """Correct the choice of an item for how often it is in a batch."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    only_in_batch: ClassVar[bool] = True
    uses_groups: ClassVar[bool] = True

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the mean of both choices of each row."""
        rows = len(inputs.user_BD)
        score_GN, known_GN = negative_scores(inputs)
        score_GN = score_GN / self.settings.temperature
        if score_GN.shape[1] < rows or inputs.negative_ND is None:
            raise ConfigError("nt-xent: the negatives are not the batch's own items", hint="--sampler in-batch")
        if known_GN is None:
            known_GN = torch.zeros_like(score_GN, dtype=torch.bool)
            known_GN[torch.arange(rows), torch.arange(rows)] = True
        positive_B = inputs.positive_score_B() / self.settings.temperature
        # A finite stand-in for minus infinity: where nothing is left, the gradient is 0, not NaN.
        lowest = torch.finfo(score_GN.dtype).min / 4
        items_G = (score_GN - self._correction(inputs)).masked_fill(known_GN, lowest).logsumexp(1)
        users_B = score_GN[:, :rows].masked_fill(known_GN[:, :rows], lowest).logsumexp(0)
        item_B, user_B = (torch.logaddexp(rest_B, positive_B) for rest_B in (to_rows(items_G, inputs), users_B))
        return LossOutput(0.5 * (item_B + user_B) - positive_B)

    def _correction(self, inputs: LossInputs) -> Tensor | float:
        if not self.settings.log_q:
            return 0.0
        if inputs.log_q_N is None:
            raise ConfigError("loss.log_q=true: there are no proposal probabilities", hint="--set loss.log_q=false")
        return inputs.log_q_N.to(inputs.user_BD.dtype) + math.log(max(len(inputs.log_q_N), 1))
