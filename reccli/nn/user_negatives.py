"""Scores of negatives once per user, where rows share their user's vector.

B batch rows, G distinct users (or rows, where they are not known), N negatives.
"""

from __future__ import annotations

from torch import Tensor

from reccli.api.batch import LossInputs

__all__ = ["negative_scores", "to_rows"]


def negative_scores(inputs: LossInputs) -> tuple[Tensor, Tensor | None]:
    """Return similarities GN of each distinct user and its negatives, and which of them are known positives.

    A loss that calls this has `uses_groups`; what it makes of each user goes back to the rows by `to_rows`.
    """
    if inputs.groups is not None and inputs.negative_ND is not None:
        return inputs.similarity.matrix(inputs.groups.user_GD, inputs.negative_ND), inputs.groups.known_GN
    return inputs.negative_score_BN(), inputs.known_BN


def to_rows(value_G: Tensor, inputs: LossInputs) -> Tensor:
    """Return each row's value out of those that belong to `negative_scores`, B."""
    if inputs.groups is not None and inputs.negative_ND is not None:
        return value_G.index_select(0, inputs.groups.place_B)
    return value_G
