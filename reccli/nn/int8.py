"""A text model in 8-bit integers, for inference on the CPU.

M rows (tokens), I inputs, O outputs, V codes, D embedding.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Int8Embedding", "Int8Linear", "in_int8", "size_of"]

LEVELS = 127
SPARE_POSITIONS = 4
"""Positions beyond the longest text: models of the RoBERTa kind count from 2."""


class Int8Linear(nn.Module):
    """A linear layer with weights in int8, one scale per output, and inputs brought to int8 row by row as they come.

    ::

        y_mo = s_m t_o sum over i of [x_mi / s_m] [w_oi / t_o] + b_o
        s_m = max over i of |x_mi| / 127        t_o = max over i of |w_oi| / 127

    with `[ ]` the nearest integer. Each row has its own scale, so that what is near it in a batch does not matter.

    Args:
        weight_OI: Weights.
        bias_O: Biases, or None.

    Paper:
        Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR
        2018, https://arxiv.org/abs/1712.05877, equations 1 to 5 (here symmetric). Dettmers, Lewis, Belkada,
        Zettlemoyer: LLM.int8(), NeurIPS 2022, https://arxiv.org/abs/2208.07339 (scales per row and column).
    """

    weight_OI: Tensor
    scale_O: Tensor
    bias_O: Tensor

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        super().__init__()
        code_OI, scale_O1 = _rounded(weight_OI.detach().float())
        self.register_buffer("weight_OI", code_OI)
        self.register_buffer("scale_O", scale_O1.squeeze(1))
        self.register_buffer(
            "bias_O", torch.zeros(len(weight_OI)) if bias_O is None else bias_O.detach().float().clone()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output for inputs of any leading shape, float32."""
        x_MI = x.reshape(-1, x.shape[-1])
        if x.device.type != "cpu" or not len(x_MI):
            weight_OI = self.weight_OI.float() * self.scale_O.float()[:, None]
            return nn.functional.linear(x.float(), weight_OI, self.bias_O)
        code_MI, scale_M1 = _rounded(x_MI.float(), exact=True)
        sum_MO = torch._int_mm(code_MI, self.weight_OI.T).float()
        y_MO = torch.addcmul(self.bias_O, sum_MO.mul_(self.scale_O.float()), scale_M1)
        return y_MO.reshape(*x.shape[:-1], -1)


class Int8Embedding(nn.Module):
    """A table of embeddings in int8, one scale per row.

    Args:
        weight_VD: The table.
    """

    weight_VD: Tensor
    scale_V1: Tensor

    def __init__(self, weight_VD: Tensor) -> None:
        super().__init__()
        code_VD, scale_V1 = _rounded(weight_VD.detach().float())
        self.register_buffer("weight_VD", code_VD)
        self.register_buffer("scale_V1", scale_V1)

    def forward(self, code: Tensor) -> Tensor:
        """Return rows by code, float32."""
        return self.weight_VD[code].float() * self.scale_V1[code].float()


def _rounded(value_RI: Tensor, *, exact: bool = False) -> tuple[Tensor, Tensor]:
    """Return int8 codes and scales, RI and R1; scales that are kept are bfloat16, and codes are of the rounded ones."""
    scale_R1 = value_RI.abs().amax(1, keepdim=True).div_(LEVELS)
    if not exact:
        scale_R1 = scale_R1.bfloat16()
    divisor_R1 = scale_R1.float().clamp_min(torch.finfo(torch.float32).tiny)
    return (value_RI / divisor_R1).round_().clamp_(-LEVELS, LEVELS).to(torch.int8), scale_R1


def in_int8(model: Any, *, max_length: int | None = None) -> nn.Module:
    """Return a copy of a transformer whose linear layers and tables are int8; norms stay as they are.

    What an encoder of texts does not use is left out: the pooling layer of BERT, and positions beyond the longest text.

    Args:
        model: A model of transformers, or one with adapters of peft (they are merged in).
        max_length: Tokens of the longest text; None keeps all positions.
    """
    model = copy.deepcopy(model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = None
    most = None if max_length is None else max_length + SPARE_POSITIONS
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            small = _in_int8(part, most if name == "position_embeddings" else None)
            if small is not None:
                setattr(parent, name, small)
    return model.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _in_int8(part: nn.Module, rows: int | None) -> nn.Module | None:
    if isinstance(part, nn.Embedding):
        return Int8Embedding(part.weight[:rows])
    if isinstance(part, nn.Linear):
        return Int8Linear(part.weight, part.bias)
    if type(part).__name__ == "Conv1D":  # of GPT-2: a linear layer whose weight is the other way round
        weight_IO: Any = part.weight
        bias: Any = part.bias
        return Int8Linear(weight_IO.T, bias)
    return None


def size_of(model: nn.Module) -> int:
    """Return the bytes of a model's parameters and of the buffers that are part of its state."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
