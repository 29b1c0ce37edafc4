"""Samplers: which items a batch is told apart from."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from reccli.api.batch import Negatives
from reccli.api.component import Component, Context
from reccli.api.data import TrainingData

__all__ = ["Sampler"]


class Sampler(Component):
    """Draws negatives for a batch as index tensors. It knows codes and counts, never embeddings.

    Known positives among the draws need not be avoided: the loop marks them in `LossInputs.known_BN`.
    """

    gives_log_q: bool = True
    """Whether the draws come with `log_q_N`; where a setting decides, the instance overrides it."""

    @abstractmethod
    def setup(self, data: TrainingData, context: Context) -> None:
        """Precompute distributions. Items never seen in training must not be drawn unless the sampler says why."""

    @abstractmethod
    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw negatives for a batch; every random number comes from `generator` (a CPU one, part of checkpoints)."""
