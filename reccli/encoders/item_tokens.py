"""Users as sentences of items: a transformer over the history, without any text.

B batch rows, N items asked for, I items, U users, R sequences, L their length, H entries of all sequences together,
D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, Range, TrainingData
from reccli.errors import ConfigError
from reccli.nn.drawn_windows import DrawnWindows, Windows
from reccli.nn.history_bags import HistoryBags
from reccli.nn.history_views import only
from reccli.nn.item_sequences import ItemReader, Sequences
from reccli.nn.pooling import ragged
from reccli.nn.tables import first_vectors, item_table, look_up
from reccli.nn.user_blocks import by_blocks

__all__ = ["ItemTokens"]

BLOCK = 1024


class ItemTokens(Encoder):
    """Read the history as a sentence whose words are items; no text is looked at.

    ::

        item_i = v_i
        user   = mean of v over the history + W transformer(opening, v_1, ..., v_n)

    with `v` a trained table (`item_ID`) and `W` 0 at the start, so that training begins at the pooled history. With an
    order (`causal`) a row reads what came before it, newest `window` entries, in their places, and the last token's
    state counts; without one it reads the rest of the history as a set, part of which is hidden and predicted in each
    epoch, and the opening token's state counts.

    Args:
        settings.dim: Length of the vectors, 64 to 256.
        settings.window: Entries read, 20 to 200; the time of a step grows faster than it.
        settings.layers, settings.heads: Size of the transformer.

    Shapes:
        users(batch) BD; items(codes) ND.

    Raises:
        ConfigError: `heads` does not divide `dim`.

    Notes:
        Serves users who come after training. With an order each epoch trains on one window of each user, drawn anew.
        The papers start from random vectors and have no mean beside the transformer.

    Paper:
        Kang, McAuley: Self-Attentive Sequential Recommendation, ICDM 2018, https://arxiv.org/abs/1808.09781 (causal).
        Sun, Liu, Wu, Pei, Lin, Ou, Jiang: BERT4Rec, CIKM 2019, https://arxiv.org/abs/1904.06690 (items masked and
        predicted from both sides).

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues. The auxiliary tasks `cl4srec` and `duorec`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2))
        >>> encoder = ItemTokens(ItemTokens.Settings(dim=4, heads=2, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `item-tokens`."""

        dim: Annotated[int, Choices((64, 128, 256))] = Field(default=128, ge=1)
        """Length of the vectors: 64 to 256."""
        layers: Annotated[int, Choices((1, 2, 3))] = Field(default=2, ge=1, le=12)
        """Layers of the transformer: 1 to 4."""
        heads: int = Field(default=4, ge=1)
        """Heads of its attention; divides `dim`."""
        window: int = Field(default=50, ge=1)
        """Entries of a history that are read: 20 to 200."""
        dropout: Annotated[float, Range(0.0, 0.5)] = Field(default=0.2, ge=0, lt=1)
        """Dropout of tokens and layers: 0.1 to 0.5."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` reads what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: float = Field(default=0.5, ge=0, lt=1)
        """With `set`: share of a history hidden in an epoch; what is hidden is trained on."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the table starts from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({"history"})
    views: frozenset[str] = frozenset({"history"})
    grouped: ClassVar[bool] = True
    serves_new_users: bool = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "in-batch"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 40,
        "batch_size": 8192,
        "learning_rate": 0.002,
        "average": 0.9,
        "patience": 6,
        "loss.temperature": 0.1,
        "loss.log_q": True,
        "small": {"loss": "softmax"},
        "time": {"loss": "infonce", "sampler": "uniform", "sampler.count": 2048, "batch_size": 2048},
    }

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the table starts from."""
        return first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build table and transformer, and keep the training histories at hand."""
        given = self.settings
        if given.dim % given.heads:
            raise ConfigError(
                f"encoder.heads={given.heads} does not divide encoder.dim={given.dim}", hint="--set encoder.heads=2"
            )
        self.n_items = data.n_items
        self.causal = self.reads_order = data.ordered if given.order == "auto" else given.order == "causal"
        share = 0.0 if self.causal else given.mask
        self.bags = HistoryBags(data, context, causal=self.causal, share=share, window=given.window)
        self.one_vector_per_user = self.bags.shared
        self.item_ID = item_table(data, context, given.dim, start=given.start, std=given.std, name="item-tokens")
        self.nobody_D = nn.Parameter(self.item_ID.detach().mean(0) + 1e-3 * given.std)
        self.reader = ItemReader(
            given.dim,
            given.window,
            layers=given.layers,
            heads=given.heads,
            dropout=given.dropout,
            causal=self.causal,
            seed=context.derived_seed("item-tokens transformer"),
        )
        self.windows = DrawnWindows(data.train, context, window=given.window, name="item-tokens")
        if not context.restoring:
            how = "in their order" if self.causal else "as a set"
            context.say(f"item-tokens: each item is one token, the history the sentence ({how}); texts are not read")

    def begin_epoch(self, epoch: int) -> None:
        """Draw what is hidden, or each user's window: a function of seed and epoch alone."""
        self.bags.begin_epoch(epoch)
        if self.causal:
            self.windows.begin_epoch(epoch)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the hidden rows, or those in the windows."""
        return self.windows.rows() if self.causal else self.bags.rows_of_epoch()

    def users(self, batch: Batch) -> Tensor:
        """Return what each row has read of its history, BD."""
        bags = self.bags.of_rows(batch)
        mean_BD = bags.mean(self.item_ID, None if self.causal else look_up(self.item_ID, batch.item_B))
        mean_BD = torch.where(bags.known_B1, mean_BD, self.nobody_D)
        found = self.windows.of_batch(batch) if self.causal and self.training else None
        return mean_BD + (self._read(batch) if found is None else self._read_windows(found))

    def items(self, item_N: Tensor) -> Tensor:
        """Return rows by code, ND."""
        return look_up(self.item_ID, item_N)

    def all_items(self) -> Tensor:
        """Return the item table, ID."""
        return self.item_ID

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the batch's positives."""
        return [look_up(self.item_ID, batch.item_B)]

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the table of items."""
        return [self.item_ID]

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield table and transformer, and the exponent of ages, which takes larger steps and no decay."""
        yield {"params": [self.item_ID, self.nobody_D, *self.reader.parameters()], "lr_scale": 1.0}
        few = [p for p in self.bags.parameters() if p.requires_grad]
        if few:
            yield {"params": few, "lr_scale": 5.0, "weight_decay": 0.0}

    def export_users(self, histories: Histories) -> Tensor:
        """Return users by their whole histories, UD, block by block."""
        return by_blocks(self._of_histories, histories, BLOCK, self.settings.dim)

    def read(self, histories: Histories) -> Tensor:
        """Return users by their whole histories, RD; entries of weight 0 are left out."""
        shown_H = histories.weight_E != 0
        if self.training and self.bags.share:
            shown_H &= torch.rand(len(shown_H)).numpy() >= self.bags.share
        return self._of_histories(only(histories, shown_H))

    def _of_histories(self, histories: Histories) -> Tensor:
        bags = self.bags.of_users(histories)
        mean_BD = torch.where(bags.known_B1, bags.mean(self.item_ID), self.nobody_D)
        row_H = torch.from_numpy(histories.user_E).to(self.item_ID.device)
        index_H = torch.arange(len(row_H), device=row_H.device)
        found = self._sequences(index_H, row_H, histories.n_users)
        item_E, weight_E = torch.from_numpy(histories.item_E), self.bags.weights(histories)
        return mean_BD + self._last(found, item_E.to(row_H.device), weight_E.to(row_H.device))

    def _sequences(self, index_H: Tensor, row_H: Tensor, rows: int) -> Sequences:
        return Sequences(index_H, row_H, rows, self.settings.window, spread=not self.causal)

    def _read_windows(self, drawn: Windows) -> Tensor:
        """Read each user's window once, and take the state before each row, BD."""
        index_H, _ = ragged(drawn.first_G, drawn.length_G)
        row_H = torch.repeat_interleave(torch.arange(len(drawn.first_G), device=index_H.device), drawn.length_G)
        found = self._sequences(index_H, row_H, len(drawn.first_G))
        state_GLD = self._states(found, self.bags.item_E, self.bags.weight_E)
        return state_GLD[drawn.group_B, drawn.place_B]

    def _read(self, batch: Batch) -> Tensor:
        """Read each row's own sequence (each user's, where all its rows see the same), BD."""
        shared = self.one_vector_per_user and self.training
        if shared:
            user_R, place_B = torch.unique(batch.user_B, return_inverse=True)
        else:
            user_R, place_B = batch.user_B, torch.arange(len(batch), device=batch.user_B.device)
        first_R, end_R = self.bags.offset_U1[user_R], self.bags.offset_U1[user_R + 1]
        length_R = (batch.row_B if self.causal else end_R) - first_R
        index_H, _ = ragged(first_R, length_R)
        row_H = torch.repeat_interleave(torch.arange(len(user_R), device=index_H.device), length_R)
        seen_H = torch.ones_like(index_H, dtype=torch.bool) if shared else index_H != batch.row_B[row_H]
        if self.training and self.bags.hidden_E is not None:
            seen_H &= ~self.bags.hidden_E[index_H]
        found = self._sequences(index_H[seen_H], row_H[seen_H], len(user_R))
        return self._last(found, self.bags.item_E, self.bags.weight_E)[place_B]

    def _last(self, found: Sequences, item_E: Tensor, weight_E: Tensor) -> Tensor:
        """Return the state of the last token (with an order) or of the opening one, RD."""
        state_RLD = self._states(found, item_E, weight_E)
        row_R = torch.arange(len(state_RLD), device=state_RLD.device)
        return state_RLD[row_R, found.length_R if self.causal else torch.zeros_like(found.length_R)]

    def _states(self, found: Sequences, item_E: Tensor, weight_E: Tensor) -> Tensor:
        if not len(item_E):
            item_E, weight_E = found.index_RL.new_zeros(1), self.item_ID.new_zeros(1)
        rated = bool(self.bags.centre[1])
        rate_RL = weight_E[found.index_RL] if rated else torch.zeros_like(found.index_RL, dtype=self.item_ID.dtype)
        state_RLD: Tensor = self.reader(self.item_ID, item_E[found.index_RL], rate_RL, found.real_RL)
        return state_RLD
