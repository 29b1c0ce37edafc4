"""Squared error of predicted ratings. B batch rows."""

from __future__ import annotations

from typing import ClassVar

from reccli.api import Loss, LossInputs, LossOutput

__all__ = ["MSE"]


class MSE(Loss):
    """Regress on ratings: the squared error of each row's prediction.

    ::

        l_b = (p_b - y_b)^2

    with `y_b` the rating in `target_B` and `p_b` the prediction: `prediction_B` (score plus global mean and the biases
    of user and item, which the training model learns) where there is one, else the bare score.

    Shapes:
        prediction_B (or user_BD, positive_BD), target_B -> value_B.

    Notes:
        The paper's regularisation is the training loop's (`l2`), on the embeddings that the batch used.

    Paper:
        Koren, Bell, Volinsky: Matrix Factorization Techniques for Recommender Systems, IEEE Computer 42(8), 2009,
        https://doi.org/10.1109/MC.2009.263, equation 5.

    Pairs well with:
        `mf` on explicit ratings. No sampler is used.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity(), torch.tensor([0, 1]), torch.tensor([4.0, 3.0]), torch.ones(2))
        >>> MSE()(inputs).value_B
        tensor([0., 1.])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"ratings"})
    in_batch: ClassVar[bool] = False

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's squared error."""
        predicted_B = inputs.predicted_B()
        return LossOutput((predicted_B - inputs.target_B.to(predicted_B.dtype)).square())
