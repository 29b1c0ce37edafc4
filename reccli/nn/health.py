"""How vectors lie on the sphere, in a few numbers: what shows that a representation wears thin or collapses.

N vectors, P pairs of vectors, D embedding, S singular values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["DEAD", "alignment", "dead_share", "effective_rank", "mean_cosine", "uniformity", "unit"]

DEAD = 1e-4
"""A dimension is dead where its variance is at most this share of its own mean square: a constant, but for noise."""
NOTHING = 1e-14
"""It is dead, too, where its mean square is at most this share of all: rounding in float32."""
SMALLEST = 1e-4
"""Singular values below this share of the largest are rounding in float32, and count as 0."""


def unit(vector_ND: Tensor) -> Tensor:
    """Return vectors of length 1, ND; those of length 0 stay as they are."""
    return functional.normalize(vector_ND, dim=1)


def alignment(user_PD: Tensor, item_PD: Tensor) -> float:
    """Return the mean of `|u - v|^2` over positive pairs of unit vectors: 0 where they coincide, 2 at right angles.

    Paper:
        Wang, Isola: Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere, ICML 2020, https://arxiv.org/abs/2005.10242, section 4.1 (with alpha = 2).
    """
    return float((user_PD - item_PD).square().sum(1).mean())


def uniformity(first_PD: Tensor, second_PD: Tensor, *, sharpness: float = 2.0) -> float:
    """Return `log mean exp(-t |x - y|^2)` over random pairs of unit vectors: 0 where all coincide, -4 at right angles.

    Args:
        first_PD: One vector of each pair.
        second_PD: The other.
        sharpness: t, how much near pairs count more than far ones.

    Paper:
        Wang and Isola, as for `alignment`, section 4.1.
    """
    exponent_P = -sharpness * (first_PD - second_PD).square().sum(1)
    return float(exponent_P.logsumexp(0)) - math.log(len(exponent_P))


def mean_cosine(first_PD: Tensor, second_PD: Tensor) -> float:
    """Return the mean cosine of random pairs of unit vectors: 0 where they point everywhere, 1 where all coincide."""
    return float((first_PD * second_PD).sum(1).mean())


def effective_rank(vector_ND: Tensor) -> float:
    """Return how many directions vectors make use of: `exp( - sum p_r log p_r )` with `p_r = s_r / sum s`.

    `s` are the singular values of the matrix of vectors as it is, not centred: vectors that all coincide have rank 1,
    and not the rank of the noise around the place where they do. Zeros alone have rank 0.

    Notes:
        The values are square roots of the eigenvalues of the Gram matrix of the shorter side; see `SMALLEST`.

    Paper:
        Roy, Vetterli: The effective rank: a measure of effective dimensionality, EUSIPCO 2007,
        https://www.eurasip.org/Proceedings/Eusipco/Eusipco2007/Papers/a5p-h05.pdf, definition 1.
    """
    short_ND = vector_ND if vector_ND.shape[1] <= vector_ND.shape[0] else vector_ND.T
    value_S = torch.linalg.eigvalsh((short_ND.T @ short_ND).double()).clamp_min(0).sqrt()
    value_S = value_S[value_S > SMALLEST * value_S.max()]
    if not len(value_S):
        return 0.0
    return float(torch.special.entr(value_S / value_S.sum()).sum().exp())


def dead_share(vector_ND: Tensor) -> float:
    """Return the share of dimensions that tell no two vectors apart: constants, zeros, and what is rounding alone.

    Each dimension is held against itself, and not against the others: components of a closed form, which come in the
    order of their size, are small in the end and not dead. How few of them matter is what `effective_rank` says.
    Vectors that all coincide have dead dimensions alone.
    """
    square_D = vector_ND.square().mean(0)
    variance_D = (vector_ND - vector_ND.mean(0)).square().mean(0)
    dead_D = (variance_D <= DEAD * square_D) | (square_D <= NOTHING * square_D.sum())
    return float(dead_D.double().mean())
