"""Item vectors of earlier batches as further negatives.

Q places of the memory, B batch rows, N negatives, D embedding.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from reccli.api.batch import Negatives
from reccli.api.data import TrainingData
from reccli.errors import ConfigError

__all__ = ["CrossBatchMemory", "memory_of"]


class CrossBatchMemory(nn.Module):
    """A queue of the positives of the last batches: codes, and vectors as they were then, without gradients.

    ::

        negatives of a step = those of the sampler, and (v_q, item_q) for q = 1 .. Q,   v_q a constant

    so that a batch is told apart from far more items than it encodes. Weights move slowly, and so do vectors: what was
    encoded some steps ago is close to what it would be now.

    Args:
        size: Vectors kept, Q; the oldest leave first. Some batches' worth: 4 to 100.
        after: Steps before they are used: vectors move fast at first.
        data: Training data, for how often items come.

    Shapes:
        `join` puts the memory behind the negatives, N becomes N + Q.

    Notes:
        What a row's user knows is no negative in the queue either: the training model marks known positives by code
        (and, with `mask_twins`, by text). The proposal probability of an entry is its item's share of the training
        interactions, as for `in-batch`: the weights `1 / ((N + Q) q_j)` of a logQ correction give an unbiased sum over
        the catalogue also where sampler and queue propose differently.

        Everything is part of a checkpoint, and nothing of it is stored with a finished run.

    Paper:
        Wang, Zhang, Huang, Scott: Cross-Batch Memory for Embedding Learning, CVPR 2020,
        https://arxiv.org/abs/1912.06798, section 3.2.
    """

    log_q_I: Tensor
    vector_QD: Tensor
    item_Q: Tensor
    steps: Tensor
    filled: Tensor

    def __init__(self, size: int, after: int, data: TrainingData) -> None:
        super().__init__()
        self.size, self.after = size, after
        count_I = torch.from_numpy(data.item_count_I()).double()
        log_q_I = (count_I / count_I.sum().clamp_min(1.0)).log().float()
        self.register_buffer("log_q_I", log_q_I, persistent=False)
        self.register_buffer("vector_QD", torch.zeros(size, 0))
        self.register_buffer("item_Q", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_take_width)  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return int(self.filled)

    def join(self, negatives: Negatives, negative_ND: Tensor) -> tuple[Negatives, Tensor]:
        """Return shared negatives and their vectors with the memory behind them.

        Raises:
            ConfigError: Rows have negatives of their own.
        """
        if negatives.shared_N is None:
            raise ConfigError("memory: this sampler draws negatives of each row's own", hint="--set sampler.own=0")
        held = len(self)
        if not held or int(self.steps) < self.after:
            return negatives, negative_ND
        item_Q = self.item_Q[:held]
        log_q_N = negatives.log_q_N
        if log_q_N is not None:
            log_q_N = torch.cat([log_q_N, self.log_q_I[item_Q].to(log_q_N.dtype)])
        vector_QD = self.vector_QD[:held].to(negative_ND.dtype)
        joined = replace(negatives, shared_N=torch.cat([negatives.shared_N, item_Q]), log_q_N=log_q_N, in_batch=False)
        return joined, torch.cat([negative_ND, vector_QD])

    @torch.no_grad()
    def take(self, item_B: Tensor, vector_BD: Tensor) -> None:
        """Put a step's positives in front; what does not fit behind leaves."""
        if self.vector_QD.shape[1] != vector_BD.shape[1]:
            self.vector_QD = torch.zeros(self.size, vector_BD.shape[1], device=vector_BD.device)
        new = min(len(item_B), self.size)
        old = self.size - new
        dtype = torch.float64 if vector_BD.dtype == torch.float64 else torch.float32
        front_BD = vector_BD[-new:].detach().to(dtype)
        self.vector_QD = torch.cat([front_BD, self.vector_QD[:old].to(dtype)])
        self.item_Q = torch.cat([item_B[-new:], self.item_Q[:old]])
        self.filled += min(new, self.size - len(self))
        self.steps += 1


def _take_width(memory: CrossBatchMemory, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    stored = state.get(f"{prefix}vector_QD")
    if stored is not None:
        memory.vector_QD = torch.zeros_like(stored, device=memory.item_Q.device)


def memory_of(size: int, after: int, data: TrainingData, needs: frozenset[str]) -> CrossBatchMemory | None:
    """Return a memory of some size, or None for size 0.

    Raises:
        ConfigError: The loss uses no negatives.
    """
    if not size:
        return None
    if "negatives" not in needs:
        raise ConfigError(
            "memory: this loss uses no negatives, earlier ones would be kept for nothing", hint="--loss infonce"
        )
    return CrossBatchMemory(size, after, data)
