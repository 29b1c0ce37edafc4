"""Histories as sentences: each item one token, read by a small transformer.

R sequences, L longest of them with the token that opens it, H entries of all sequences together, I items, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reccli.nn.tables import look_up

__all__ = ["ItemReader", "Sequences"]


class Sequences:
    """Entries of sequences, padded on the right, with room for a token that opens each.

    Args:
        index_H: Positions of entries in some array, sequence after sequence, oldest first.
        row_H: Sequence of each entry, ascending.
        rows: R.
        longest: Most entries of a sequence; of longer ones the newest, or (`spread`) evenly spaced ones.
        spread: Whether there is no newest.
    """

    def __init__(self, index_H: Tensor, row_H: Tensor, rows: int, longest: int, *, spread: bool) -> None:
        device = index_H.device
        length_R = torch.bincount(row_H, minlength=rows)
        begin_R = length_R.cumsum(0) - length_R
        place_H = torch.arange(len(row_H), device=device) - begin_R[row_H]
        many_R = length_R.clamp_min(longest + 1)
        if spread:  # the first entry at or after each of `longest` even steps
            step_H = place_H * longest // many_R[row_H]
            before_H = (place_H - 1) * longest // many_R[row_H]
            kept_H = (step_H != before_H) | (place_H == 0) | (length_R[row_H] <= longest)
        else:
            kept_H = place_H >= (length_R - longest)[row_H]
        index_H, row_H = index_H[kept_H], row_H[kept_H]
        self.length_R = torch.bincount(row_H, minlength=rows)
        begin_R = self.length_R.cumsum(0) - self.length_R
        place_H = torch.arange(len(row_H), device=device) - begin_R[row_H]
        width = int(self.length_R.max()) if rows else 0
        self.index_RL = torch.zeros(rows, width, dtype=torch.int64, device=device)
        self.index_RL[row_H, place_H] = index_H
        self.real_RL = torch.arange(width, device=device) < self.length_R[:, None]


class ItemReader(nn.Module):
    """A transformer over item vectors.

    ::

        x_0 = opening,   x_l = s item_l + z_l rate + position_l        y = W transformer(x)

    with `s` the square root of D, `z` what is known of an entry besides its item (a rating), positions only where there
    is an order, and `W` 0 at the start.

    Args:
        size: D.
        longest: Most entries of a sequence.
        layers: Layers, 1 to 4.
        heads: Heads; divides D.
        dropout: Dropout of tokens and layers.
        causal: Whether entries see the past alone, and have positions.
        seed: Decides the first weights.

    Paper:
        Vaswani et al.: Attention Is All You Need, NeurIPS 2017, https://arxiv.org/abs/1706.03762.
    """

    def __init__(
        self, size: int, longest: int, *, layers: int, heads: int, dropout: float, causal: bool, seed: int
    ) -> None:
        super().__init__()
        self.causal = causal
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = nn.TransformerEncoderLayer(
                size, heads, 4 * size, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(size), enable_nested_tensor=False)
            for parameter in self.layers.parameters():  # layers begin as copies of one
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)
            self.opening_D = nn.Parameter(torch.randn(size) * 0.02)
            self.position_LD = nn.Parameter(torch.randn(longest + 1, size) * 0.02) if causal else None
        self.rate_D = nn.Parameter(torch.zeros(size))
        self.out = nn.Linear(size, size)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.drop = nn.Dropout(dropout)

    def forward(self, table_ID: Tensor, item_RL: Tensor, rate_RL: Tensor, real_RL: Tensor) -> Tensor:
        """Return what each place has read so far (all, without an order), R(L+1)D; place 0 is the opening token."""
        rows, width = item_RL.shape
        entry_RLD = look_up(table_ID, item_RL) * table_ID.shape[1] ** 0.5 + rate_RL.unsqueeze(2) * self.rate_D
        token_RLD = torch.cat([self.opening_D.expand(rows, 1, -1), entry_RLD], dim=1)
        if self.position_LD is not None:
            token_RLD = token_RLD + self.position_LD[: width + 1]
        hidden_RL = torch.cat([real_RL.new_zeros(rows, 1), ~real_RL], dim=1)
        future_LL = None
        if self.causal:
            future_LL = torch.ones(width + 1, width + 1, dtype=torch.bool, device=item_RL.device).triu(1)
        state_RLD = self.layers(self.drop(token_RLD), mask=future_LL, src_key_padding_mask=hidden_RL)
        read_RLD: Tensor = self.out(state_RLD)
        return read_RLD
