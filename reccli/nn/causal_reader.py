"""A transformer that reads sequences from left to right. R sequences, L entries, D embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CausalReader"]


class CausalReader(nn.Module):
    """States of a sequence after each of its entries, by pre-norm layers of causal attention.

    ::

        x_0 = opening,   x_l = entry_l + position_l
        x <- x + drop(attention(norm(x)))        x <- x + drop(B gelu(A norm(x)))        y = norm(x)

    where attention is `softmax(q k^T / sqrt(D / heads)) v` over an entry itself and what came before it. Padding on the
    right is never seen, so there is no mask, and torch's fused kernels serve.

    Args:
        size: D.
        longest: Most entries of a sequence.
        layers: Layers, 1 to 4.
        heads: Heads; divides D.
        dropout: Dropout of entries, attention and layers.
        seed: Decides the first weights.

    Shapes:
        RLD -> R(L+1)D; place l has seen the first l entries.

    Paper:
        Vaswani et al.: Attention Is All You Need, NeurIPS 2017, https://arxiv.org/abs/1706.03762, section 3.2. Norms
        before layers: Xiong et al.: On Layer Normalization in the Transformer Architecture, ICML 2020,
        https://arxiv.org/abs/2002.04745.
    """

    def __init__(self, size: int, longest: int, *, layers: int, heads: int, dropout: float, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(_Layer(size, heads, dropout) for _ in range(layers))
            self.opening_D = nn.Parameter(torch.randn(size) * 0.02)
            self.position_LD = nn.Parameter(torch.randn(longest + 1, size) * 0.02)
        self.norm = nn.LayerNorm(size)
        self.drop = nn.Dropout(dropout)

    def forward(self, entry_RLD: Tensor) -> Tensor:
        """Return the states, the first that of having seen nothing."""
        rows, width, _ = entry_RLD.shape
        state_RLD = torch.cat([self.opening_D.expand(rows, 1, -1), entry_RLD], dim=1)
        state_RLD = self.drop(state_RLD + self.position_LD[: width + 1])
        for layer in self.layers:
            state_RLD = layer(state_RLD)
        read_RLD: Tensor = self.norm(state_RLD)
        return read_RLD


class _Layer(nn.Module):
    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm, self.second_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.look, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.wide, self.narrow = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, state_RLD: Tensor) -> Tensor:
        state_RLD = state_RLD + self._dropped(self.out(self._attention(self.norm(state_RLD))))
        hidden_RLF = functional.gelu(self.wide(self.second_norm(state_RLD)))
        return state_RLD + self._dropped(self.narrow(hidden_RLF))

    def _attention(self, state_RLD: Tensor) -> Tensor:
        rows, width, size = state_RLD.shape
        parts = self.look(state_RLD).view(rows, width, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        rate = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=rate, is_causal=True)
        return mixed.transpose(1, 2).reshape(rows, width, size)

    def _dropped(self, state_RLD: Tensor) -> Tensor:
        return functional.dropout(state_RLD, self.dropout, self.training)
