"""Binary cross-entropy that undoes the overconfidence of negative sampling. B batch rows, N negatives, G users."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import PluginError
from reccli.nn.user_negatives import negative_scores, to_rows

__all__ = ["GBCE"]


class GBCE(Loss):
    """Tell positives from sampled negatives as if all items had been negatives (generalised BCE).

    ::

        l_b  = ( beta * log(1 + exp(-s_b / t)) + sum over valid j of log(1 + exp(s_bj / t)) ) / (n_b + 1)
        beta = alpha * (c * (1 - 1 / alpha) + 1 / alpha),     alpha = N / (I - 1)

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `t` the temperature, `n_b` the
    valid negatives of row b, `I` the items (`LossInputs.n_items`), `alpha` the share of them that is drawn (at most 1)
    and `c` the calibration: 0 is plain BCE, 1 gives the probabilities that BCE over all items would give.

    Args:
        settings.temperature: What similarities are divided by; 1 for dot products, 0.05 to 0.3 for cosines.
        settings.calibration: How far the sampling is undone, 0 to 1; 0.75 and 0.9 in the paper.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Raises:
        PluginError: Nobody says how many items there are.

    Notes:
        With few negatives BCE meets each item as a negative far more seldom than as a positive, and learns
        probabilities near 1 for all high-ranked items, which it then cannot order. The formula is of uniform negatives,
        four of each row's own unless told: those of the batch come by popularity, and drive popular items away.

    Paper:
        Petrov, Macdonald: gSASRec, Reducing Overconfidence in Sequential Recommendation Trained with Negative Sampling,
        RecSys 2023, https://arxiv.org/abs/2308.07192, section 5 (gBCE; t there is `calibration` here).

    Pairs well with:
        `uniform`, with `own` negatives for the paper's setting.

    Example:
        >>> import torch
        >>> from reccli.api import Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity(), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=-one, n_items=5)
        >>> GBCE(GBCE.Settings(calibration=1.0))(inputs).value_B
        tensor([0.0151, 0.0151])
    """

    class Settings(ComponentSettings):
        """Settings of `gbce`."""

        temperature: Annotated[float, Range(0.05, 2.0, log=True)] = Field(default=1.0, gt=0)
        """What similarities are divided by: 1 for dot products, 0.05 to 0.3 for cosines."""
        calibration: Annotated[float, Range(0.0, 1.0)] = Field(default=0.75, ge=0, le=1)
        """How far the sampling of negatives is undone: 0 is plain BCE, 1 all of it."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    uses_groups: ClassVar[bool] = True
    preferred_sampler: ClassVar[dict[str, Any]] = {"sampler": "uniform", "sampler.own": 4}

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the calibrated logistic loss of each row."""
        if not inputs.n_items:
            raise PluginError("loss GBCE was called without n_items, the number of items that could be negatives")
        temperature, calibration = self.settings.temperature, self.settings.calibration
        score_GN, known_GN = negative_scores(inputs)
        drawn = score_GN.shape[1]
        alpha = min(1.0, drawn / max(inputs.n_items - 1, 1))
        beta = 1.0 - calibration * (1.0 - alpha)  # the formula above without its division by alpha, which may be 0
        each_GN = functional.softplus(score_GN / temperature)
        mean_B = to_rows(self.mean_over_negatives(each_GN, known_GN), inputs)
        valid_G = (~known_GN).sum(1) if known_GN is not None else score_GN.new_full((len(score_GN),), drawn)
        count_B = to_rows(valid_G.to(mean_B.dtype), inputs)
        positive_B = functional.softplus(-inputs.positive_score_B() / temperature)
        return LossOutput((beta * positive_B + count_B * mean_B) / (count_B + 1.0))
