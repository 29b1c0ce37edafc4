"""Binary cross-entropy, against negatives or against labels. B batch rows, N negatives."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range

__all__ = ["BCE"]


class BCE(Loss):
    """Tell positives from negatives, or clicks from non-clicks, by independent logistic regressions.

    With negatives (`ranking` and `rating` tasks)::

        l_b = log(1 + exp(-s_b / t)) + w * mean over valid j of log(1 + exp(s_bj / t))

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `t` the temperature and `w` the
    negative weight. A row without a valid negative keeps the first term.

    Without negatives (the `ctr` task, whose rows carry labels)::

        l_b = log(1 + exp(p_b)) - y_b * p_b

    with `y_b` the label in `target_B` (0, 1 or a probability) and `p_b` the predicted log odds: `prediction_B` (score
    plus the biases that the training model learns) where there is one, else the bare score. Temperature and weight play
    no part.

    Args:
        settings.temperature: What similarities are divided by; 1 for dot products, 0.05 to 0.3 for cosines.
        settings.negative_weight: Weight of the negatives' mean against the positive; 1 balances them.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B; or prediction_B, target_B -> value_B.

    Notes:
        Summing over negatives, as in the paper with k negatives a positive, is `negative_weight` = k.

    Paper:
        He, Liao, Zhang, Nie, Hu, Chua: Neural Collaborative Filtering, WWW 2017, https://arxiv.org/abs/1708.05031,
        equation 7.

    Pairs well with:
        `uniform` and `popularity`; click logs (`ctr`), where it is the proper scoring rule behind log loss.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity(), torch.tensor([0, 1]), torch.tensor([1.0, 0.0]), torch.ones(2))
        >>> BCE()(inputs).value_B
        tensor([0.0181, 4.0181])
    """

    class Settings(ComponentSettings):
        """Settings of `bce`."""

        temperature: Annotated[float, Range(0.05, 2.0, log=True)] = Field(default=1.0, gt=0)
        """What similarities are divided by (not for labels): 1 for dot products, 0.05 to 0.3 for cosines."""
        negative_weight: float = Field(default=1.0, ge=0)
        """Weight of the mean over the negatives against the positive (not for labels)."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})

    @classmethod
    def needs_for(cls, task: str) -> frozenset[str]:
        """Labels for click data, else negatives."""
        return frozenset({"labels"}) if task == "ctr" else cls.needs

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the logistic loss of each row."""
        if inputs.negative_ND is None and inputs.negative_BND is None:
            predicted_B = inputs.predicted_B()
            target_B = inputs.target_B.to(predicted_B.dtype)
            return LossOutput(functional.softplus(predicted_B) - target_B * predicted_B)
        positive_B = functional.softplus(-inputs.positive_score_B() / self.settings.temperature)
        each_BN = functional.softplus(inputs.negative_score_BN() / self.settings.temperature)
        negative_B = self.mean_over_negatives(each_BN, inputs.known_BN)
        return LossOutput(positive_B + self.settings.negative_weight * negative_B)
