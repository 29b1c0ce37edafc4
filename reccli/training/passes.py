"""Encoding in passes that keep no activations: large contrastive batches in the memory of small ones. B batch rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reccli.api.batch import Batch
from reccli.training.randomness import generator_states, load_generators

__all__ = ["cut_rows", "in_passes", "pick_rows"]

Piece = TypeVar("Piece")


def in_passes(encode: Callable[[Piece], Tensor], pieces: Sequence[Piece], module: nn.Module) -> Tensor:
    """Encode pieces one after the other and return their vectors together; gradients equal those of one large pass.

    ::

        forward    v = [f(x_1), ..., f(x_P)]        without keeping the activations of any f(x_p)
        loss       g_p = dL / dv_p                   for all pieces together: a loss over the whole batch
        backward   dL / dw = sum over p of g_p df(x_p) / dw,   f(x_p) run a second time

    so that memory grows with the size of a piece and with the vectors, not with the batch. The second run draws what
    the first one drew: dropout, and the generators that parts of `module` hold, start from the states they had.

    Args:
        encode: Piece -> vectors; the parameters it uses get gradients.
        pieces: What to encode; a single one is encoded plainly.
        module: Its parts may hold generators of their own.

    Paper:
        Gao, Zhang, Han, Callan: Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, RepL4NLP 2021,
        https://arxiv.org/abs/2101.06983, section 3.2 (cached gradients of the vectors).

    Notes:
        What `encode` counts or stores besides its result happens twice.
    """
    if len(pieces) == 1:
        return encode(pieces[0])
    if not torch.is_grad_enabled():
        return torch.cat([encode(piece) for piece in pieces])

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        before = generator_states(module)
        return contextlib.nullcontext(), _from(before, module)

    return torch.cat([checkpoint(encode, piece, use_reentrant=False, context_fn=contexts) for piece in pieces])


@contextlib.contextmanager
def _from(states: dict[str, object], module: nn.Module) -> Iterator[None]:
    """Run with the generators in earlier states, and put them back as they were."""
    now = generator_states(module)
    load_generators(module, states)
    try:
        yield
    finally:
        load_generators(module, now)


def cut_rows(batch: Batch, size: int | None, *, whole_users: bool) -> list[Batch]:
    """Cut a batch into pieces of at most `size` rows (None for one piece).

    Args:
        batch: The rows.
        size: Rows of a piece.
        whole_users: Whether rows of one user stay together; a user with more than `size` rows is a piece of its own.
    """
    if size is None or len(batch) <= size:
        return [batch]
    row_B = torch.arange(len(batch), device=batch.row_B.device)
    if not whole_users:
        return [pick_rows(batch, part) for part in torch.split(row_B, size)]
    _, length_G = torch.unique_consecutive(batch.user_B, return_counts=True)
    lengths, pieces = length_G.tolist(), [0]
    for length in lengths:
        if pieces[-1] and pieces[-1] + length > size:
            pieces.append(0)
        pieces[-1] += length
    return [pick_rows(batch, part) for part in torch.split(row_B, pieces)]


def pick_rows(batch: Batch, row_G: Tensor) -> Batch:
    """Return some rows of a batch, with all of its negatives."""
    return Batch(
        batch.row_B[row_G],
        batch.user_B[row_G],
        batch.item_B[row_G],
        batch.value_B[row_G],
        batch.weight_B[row_G],
        batch.negatives,
    )
