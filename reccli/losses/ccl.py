"""Cosine contrastive loss. B batch rows, N negatives, G distinct users."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.nn.user_negatives import negative_scores, to_rows

__all__ = ["CCL"]


class CCL(Loss):
    """Pull a positive towards similarity 1, and push only those negatives away that are above a margin.

    ::

        l_b = max(0, 1 - s_b) + w * mean over valid j of max(0, s_bj - m)

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `m` the margin and `w` the
    negative weight. Known positives among the negatives are left out; a row without a valid one keeps the first term.

    Args:
        settings.margin: Similarity up to which a negative is let be; 0 to 0.9 for cosines.
        settings.negative_weight: Weight of the negatives' mean; 10 to 300, since few of many are above the margin.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Notes:
        For cosines, which end at 1, the first term is the paper's `1 - s_b`; for dot products the cut keeps it bounded.
        Uninformative negatives cost nothing and have no gradient, so many of them can be drawn: uniform ones unless
        told, as those of the batch come by popularity, and drive popular items away.

    Paper:
        Mao, Zhu, Wang, Dai, Dong, Xiao, He: SimpleX, A Simple and Strong Baseline for Collaborative Filtering,
        CIKM 2021, https://arxiv.org/abs/2109.12613, equation 1.

    Pairs well with:
        `uniform` negatives, several hundred and more; cosine similarity.

    Example:
        >>> import torch
        >>> from reccli.api import Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=one[:1])
        >>> CCL(CCL.Settings(margin=0.5, negative_weight=2.0))(inputs).value_B
        tensor([1., 1.])
    """

    class Settings(ComponentSettings):
        """Settings of `ccl`."""

        margin: Annotated[float, Range(0.0, 0.9)] = Field(default=0.4, ge=-1, le=1)
        """Similarity up to which a negative is let be: 0 to 0.9 for cosines."""
        negative_weight: Annotated[float, Range(10.0, 500.0, log=True)] = Field(default=150.0, ge=0)
        """Weight of the mean over the negatives against the positive: 10 to 300."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    uses_groups: ClassVar[bool] = True
    preferred_sampler: ClassVar[dict[str, Any]] = {"sampler": "uniform"}

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the hinge of each row's positive and of its negatives."""
        score_GN, known_GN = negative_scores(inputs)
        negative_G = self.mean_over_negatives(functional.relu(score_GN - self.settings.margin), known_GN)
        positive_B = functional.relu(1.0 - inputs.positive_score_B())
        return LossOutput(positive_B + self.settings.negative_weight * to_rows(negative_G, inputs))
