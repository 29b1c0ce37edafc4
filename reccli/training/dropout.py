"""Dropout on the vectors that a loss compares, several times over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reccli.api.batch import LossInputs, LossOutput
from reccli.nn.tables import look_up

__all__ = ["drop_vectors", "mean_output"]

VECTORS = ("user_BD", "positive_BD", "negative_ND", "negative_BND", "table_ID")


def drop_vectors(inputs: LossInputs, rate: float) -> LossInputs:
    """Return loss inputs whose vectors have lost a share of their entries at random; the rest grow by 1 / (1 - rate).

    With several samples of one batch, each with its own draws, the loss is their mean (multi-sample dropout):

    ::

        L = 1/K sum over k of l(drop_k(vectors))

    which costs K losses but one encoding.

    Args:
        inputs: Vectors of users, positives and negatives (or the table); each tensor has draws of its own.
        rate: Share of entries, .1 to .5.

    Paper:
        Inoue: Multi-Sample Dropout for Accelerated Training and Better Generalization, 2019,
        https://arxiv.org/abs/1905.09788, section 3.
    """
    changed: dict[str, Any] = {}
    for name in VECTORS:
        vector = getattr(inputs, name)
        if isinstance(vector, Tensor):
            changed[name] = functional.dropout(vector, rate)
    if inputs.groups is not None:  # rows of one user share its vector, and so its draws
        user_GD = functional.dropout(inputs.groups.user_GD, rate)
        changed["groups"] = replace(inputs.groups, user_GD=user_GD)
        changed["user_BD"] = look_up(user_GD, inputs.groups.place_B)
    return replace(inputs, **changed)


def mean_output(outputs: list[LossOutput]) -> LossOutput:
    """Return the mean of a batch's outputs, rows and terms."""
    value_B, count = outputs[0].value_B, len(outputs)
    terms = dict(outputs[0].terms)
    for output in outputs[1:]:
        value_B = value_B + output.value_B
        terms = {name: terms[name] + output.terms[name] for name in terms}
    parts = {name: torch.stack([output.parts[name] for output in outputs]).mean() for name in outputs[0].parts}
    return LossOutput(value_B / count, {name: term / count for name, term in terms.items()}, parts)
