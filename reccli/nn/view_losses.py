"""Cross-entropies of recognising a thing by its other view.

G things (users, items, histories), D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["pair_loss", "view_loss"]


def view_loss(first_GD: Tensor, second_GD: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding each row's second view among all second views by cosine, G.

    ::

        l_g = -log( exp(cos(x_g', x_g'') / t) / sum over h of exp(cos(x_g', x_h'') / t) )

    Args:
        first_GD: One view, a row for each thing; each thing must be there once, or it would be its own negative.
        second_GD: The other view.
        temperature: `t`.

    Paper:
        Wu et al.: Self-supervised Graph Learning for Recommendation, SIGIR 2021, https://arxiv.org/abs/2010.10783,
        equation 10.
    """
    with torch.autocast(first_GD.device.type, enabled=False):
        logit_GG = _unit(first_GD) @ _unit(second_GD).T / temperature
        return logit_GG.logsumexp(1) - logit_GG.diagonal()


def pair_loss(first_GD: Tensor, second_GD: Tensor, temperature: float, same_GG: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of finding each row's other view among all views of all others, both ways round, G.

    ::

        l_g = 1/2 (l(x_g', x_g'') + l(x_g'', x_g'))
        l(a, b) = -log( exp(cos(a, b) / t) / ( exp(cos(a, b) / t) + sum over views c of others of exp(cos(a, c) / t) ) )

    Args:
        first_GD: One view, a row for each thing.
        second_GD: The other view.
        temperature: `t`.
        same_GG: True where two things mean the same, and neither is the other's negative; a thing and itself always do.

    Paper:
        Chen, Kornblith, Norouzi, Hinton: SimCLR, A Simple Framework for Contrastive Learning of Visual Representations,
        ICML 2020, https://arxiv.org/abs/2002.05709, equation 1.
    """
    rows = len(first_GD)
    with torch.autocast(first_GD.device.type, enabled=False):
        unit_XD = _unit(torch.cat([first_GD, second_GD]))
        logit_XX = unit_XD @ unit_XD.T / temperature
        own_GG = torch.eye(rows, dtype=torch.bool, device=logit_XX.device)
        barred_GG = own_GG if same_GG is None else own_GG | same_GG
        # A finite stand-in for minus infinity: where nothing is left, the gradient is 0, not NaN.
        lowest = torch.finfo(logit_XX.dtype).min / 4
        rest_X = logit_XX.masked_fill(barred_GG.repeat(2, 2), lowest).logsumexp(1)
        other_G = logit_XX[:rows, rows:].diagonal()
        each_X = torch.logaddexp(rest_X, other_G.repeat(2)) - other_G.repeat(2)
        return (each_X[:rows] + each_X[rows:]) / 2


def _unit(vector_GD: Tensor) -> Tensor:
    half = vector_GD.dtype in (torch.float16, torch.bfloat16)
    return functional.normalize(vector_GD.float() if half else vector_GD, dim=1)
