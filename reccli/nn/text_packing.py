"""Texts one after the other in one row, without any padding: what a text model reads on the CPU while it is trained.

X texts of a batch, L tokens of a text, S tokens of all of them together, G texts of one length, H heads, C numbers of a
head, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["can_pack", "packed_states"]

FIRST_POSITION = {
    "albert": False,
    "bert": False,
    "distilbert": False,
    "electra": False,
    "roberta": True,
    "xlm-roberta": True,
}
"""Kinds that take positions and a way of attending from outside; whether positions count from the padding code on."""
NAME = "reccli-packed"
PASS_TOKENS = 16_384


def can_pack(model: Any) -> bool:
    """Whether `packed_states` knows how; compiled and checkpointed models, and accelerators, have better ways."""
    config = model.config
    return (
        config.model_type in FIRST_POSITION
        and config._attn_implementation == "sdpa"
        and not getattr(config, "is_decoder", False)
        and model.device.type == "cpu"
        and getattr(model, "_compiled_call_impl", None) is None
        and not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    )


def packed_states(model: Any, code_XL: Tensor, mask_XL: Tensor) -> Tensor:
    """Return the last states of all real tokens, SD, row by row; the states that padded rows would have.

    ::

        layers of single tokens (embedding, linear, norm)    over all S tokens in one row
        attention                                            over texts of one length at a time, G L^2 per length

    No token is padding, no attention is masked, and the table of words, whose gradient is as large as the table, is
    looked into once.

    Args:
        model: One that `can_pack`.
        code_XL: Token codes.
        mask_XL: Which tokens are real.

    Notes:
        Dropout draws other numbers than over padded rows.

    Paper:
        Zeng et al.: Boosting Distributed Training Performance of the Unpadded BERT Model, 2022,
        https://arxiv.org/abs/2208.08124 (texts grouped by length in attention alone).
    """
    length_X = mask_XL.sum(1)
    order_X = torch.argsort(length_X, descending=True, stable=True)
    sorted_XL = mask_XL[order_X]
    code_S = code_XL[order_X][sorted_XL]
    word_SD: Tensor = model.get_input_embeddings()(code_S)
    position_S = (sorted_XL.cumsum(1) - 1)[sorted_XL] + _first_position(model.config)
    groups = _groups(length_X[order_X].tolist())
    config, parts, start = model.config, [], 0
    was = config._attn_implementation
    _register()
    config._attn_implementation = NAME
    try:
        for part in _passes(groups):
            end = start + sum(count * length for count, length in part)
            row = {"inputs_embeds": word_SD[start:end], "position_ids": position_S[start:end]}
            row = {name: tensor.unsqueeze(0) for name, tensor in row.items()}
            parts.append(model(**row, packed_groups=part).last_hidden_state[0])
            start = end
    finally:
        config._attn_implementation = was
    if not parts:
        return torch.zeros_like(word_SD)
    begin_X = torch.empty_like(length_X)
    begin_X[order_X] = length_X[order_X].cumsum(0) - length_X[order_X]
    place_S = (begin_X.unsqueeze(1) + mask_XL.cumsum(1) - 1)[mask_XL]
    return torch.cat(parts)[place_S]


def _first_position(config: Any) -> int:
    return int(config.pad_token_id or 0) + 1 if FIRST_POSITION[config.model_type] else 0


def _groups(lengths: list[int]) -> list[tuple[int, int]]:
    """Return how many texts there are of each length, longest first; none of those without a token."""
    counts: dict[int, int] = {}
    for length in lengths:
        counts[length] = counts.get(length, 0) + 1
    return [(count, length) for length, count in counts.items() if length]


def _passes(groups: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the groups of a pass at a time: about `PASS_TOKENS` tokens, large groups cut."""
    part: list[tuple[int, int]] = []
    free = PASS_TOKENS
    for count, length in groups:
        left = count
        while left:
            fitting = min(left, free // length)
            if not fitting and part:
                yield tuple(part)
                part, free = [], PASS_TOKENS
                continue
            fitting = max(fitting, 1)
            part.append((fitting, length))
            left, free = left - fitting, max(free - fitting * length, 0)
    if part:
        yield tuple(part)


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)


def _attend(
    module: Any,
    query_1HSC: Tensor,
    key_1HSC: Tensor,
    value_1HSC: Tensor,
    mask: Tensor | None,
    *,
    packed_groups: tuple[tuple[int, int], ...],
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Let each text attend to itself alone; return states 1SHC, as transformers' attention functions do."""
    sizes = [count * length for count, length in packed_groups]
    split = (torch.split(part_1HSC[0].transpose(0, 1), sizes) for part_1HSC in (query_1HSC, key_1HSC, value_1HSC))
    states = []
    for (count, length), *parts in zip(packed_groups, *split, strict=True):
        query_GHLC, key_GHLC, value_GHLC = (part.unflatten(0, (count, length)).transpose(1, 2) for part in parts)
        state_GHLC = functional.scaled_dot_product_attention(
            query_GHLC, key_GHLC, value_GHLC, dropout_p=dropout, scale=scaling
        )
        states.append(state_GHLC.transpose(1, 2).flatten(0, 1))
    return torch.cat(states).unsqueeze(0), None
