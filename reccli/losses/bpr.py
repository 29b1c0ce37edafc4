"""Bayesian personalised ranking. B batch rows, N negatives."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.nn.score_gaps import mean_logistic_gap
from reccli.nn.user_negatives import negative_scores

__all__ = ["BPR"]


class BPR(Loss):
    """Rank a user's positive above each of its negatives, pair by pair.

    ::

        l_b = mean over valid j of  log(1 + exp((s_bj - s_b) / t))

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `t` the temperature. Known
    positives among the negatives are no negatives; a row without a valid one has loss 0.

    Args:
        settings.temperature: Scale of the score differences; 1 for dot products, 0.05 to 0.5 for cosines.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Notes:
        Where rows share user vectors (`groups`), negatives are scored once for each user, and the differences of rows
        are taken block by block. The paper draws one negative a step; this takes the mean over all that the sampler
        gave. The paper's regularisation is the training loop's. Negatives are drawn uniformly, four a row: the batch's
        own items are popular ones, and against these alone a ranking is learned slowly (NDCG@10 on validation of `mf`
        on ml-latest-small after six epochs .107, and .156 so).

    Paper:
        Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR, Bayesian Personalized Ranking from Implicit Feedback,
        UAI 2009, https://arxiv.org/abs/1205.2618, section 4.1 (BPR-Opt).

    Pairs well with:
        `uniform` with `own` negatives: 1 for the paper's setting, a few for a better one.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> one = torch.ones(2, 4)
        >>> rest = torch.tensor([0, 1]), torch.ones(2), torch.ones(2)
        >>> inputs = LossInputs(one, one, Similarity(), *rest, negative_ND=-one)
        >>> BPR()(inputs).value_B
        tensor([0.0003, 0.0003])
    """

    class Settings(ComponentSettings):
        """Settings of `bpr`."""

        temperature: Annotated[float, Range(0.05, 2.0, log=True)] = Field(default=1.0, gt=0)
        """What score differences are divided by: 1 for dot products, 0.05 to 0.5 for cosines."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    uses_groups: ClassVar[bool] = True
    counts_negatives: ClassVar[bool] = True
    preferred_sampler: ClassVar[dict[str, Any]] = {"sampler": "uniform", "sampler.own": 4}

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the mean pairwise logistic loss of each row."""
        score_GN, known_GN = negative_scores(inputs)
        place_B = None if inputs.groups is None or inputs.negative_ND is None else inputs.groups.place_B
        scale = 1.0 / self.settings.temperature
        rest = (place_B, known_GN)
        value_B = mean_logistic_gap(score_GN, inputs.positive_score_B(), *rest, count_N=inputs.count_N, scale=scale)
        return LossOutput(value_B)
