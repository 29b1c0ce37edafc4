"""Users as what a causal transformer has read of their history.

B batch rows, N items asked for, I items, U users, R sequences, L their length, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, Needs, Range, TrainingData
from reccli.errors import ConfigError
from reccli.nn.causal_reader import CausalReader
from reccli.nn.history_windows import HistoryWindows, Piece
from reccli.nn.tables import first_vectors
from reccli.nn.user_blocks import by_blocks
from reccli.nn.worded_table import WordedItems, WordedTable

__all__ = ["SASRec"]

BLOCK = 2048


class SASRec(WordedItems, Encoder):
    """Read the history from left to right; the state after the newest entry is the user.

    ::

        item_i = v_i + P w_i
        user   = transformer(opening, s item_1 + z_1 rate, ..., s item_n + z_n rate)_n                 s = sqrt(D)

    with `v` a trained table, `P w` what the words of the item's text add (`reccli.nn.worded_table`), `z` the rating or
    label of an entry in standard deviations from the mean (0 where these are not predicted), and pre-norm layers of
    causal attention (`reccli.nn.causal_reader`) over the newest `window` entries.

    Args:
        settings.dim: Length of the vectors, 64 to 256.
        settings.layers, settings.heads: Size of the transformer, 1 to 4 each.
        settings.window: Entries read, 20 to 200.
        settings.dropout: Dropout of entries, attention and layers, 0.1 to 0.5.
        settings.words: Whether the texts' words count; `auto` where there are texts.
        settings.start, settings.std: What the table starts from.

    Shapes:
        batch -> BD; items -> ND; histories -> UD.

    Raises:
        ConfigError: `heads` does not divide `dim`, or `words` is `yes` and the items have no texts.

    Notes:
        Serves users who come after training. All rows of a user's window are trained on from one reading of it, with
        any loss; a longer history has one window in each epoch, drawn anew. The paper has one negative for each row and
        a binary loss; sampled softmax over many shared negatives is the far stronger recipe (Petrov, Macdonald 2023).

    Paper:
        Kang, McAuley: Self-Attentive Sequential Recommendation, ICDM 2018, https://arxiv.org/abs/1808.09781, section 3.
        Petrov, Macdonald: gSASRec, RecSys 2023, https://arxiv.org/abs/2308.07192 (many negatives).

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues; similarity `cosine`. The auxiliary tasks
        `cl4srec` and `duorec`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2), ordered=True)
        >>> encoder = SASRec(SASRec.Settings(dim=4, heads=2))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.eval().export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `sasrec`."""

        dim: Annotated[int, Choices((64, 128, 256))] = Field(default=128, ge=1)
        """Length of the vectors: 64 to 256."""
        layers: Annotated[int, Choices((1, 2))] = Field(default=1, ge=1, le=12)
        """Layers of the transformer: 1 to 4."""
        heads: int = Field(default=1, ge=1)
        """Heads of its attention; divides `dim`."""
        window: int = Field(default=50, ge=1)
        """Entries of a history that are read."""
        dropout: Annotated[float, Range(0.0, 0.5)] = Field(default=0.2, ge=0, lt=1)
        """Dropout of entries, attention and layers."""
        words: Annotated[Literal["auto", "yes", "no"], Needs("text", unless=("auto", "no"))] = "auto"
        """Whether the words of texts are part of item vectors; `auto` where there are texts."""
        start: Literal["spectrum", "random"] = "random"
        """What the table starts from."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({"history", "time"})
    views: frozenset[str] = frozenset({"history"})
    grouped: ClassVar[bool] = True
    serves_new_users: bool = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "uniform"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 60,
        "batch_size": 4096,
        "learning_rate": 0.001,
        "patience": 6,
        "loss.temperature": 0.1,
        "sampler.count": 2048,
    }

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the table starts from."""
        return first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build table and transformer, and keep the training histories at hand."""
        given = self.settings
        if given.dim % given.heads:
            raise ConfigError(
                f"encoder.heads={given.heads} does not divide encoder.dim={given.dim}", hint="--set encoder.heads=1"
            )
        self.n_items = data.n_items
        self.table = WordedTable(
            data, context, given.dim, start=given.start, std=given.std, words=given.words, name="sasrec"
        )
        self.windows = HistoryWindows(data, context, window=given.window, name="sasrec")
        self.rate_D = nn.Parameter(torch.zeros(given.dim)) if self.windows.rated else None
        self.reader = CausalReader(
            given.dim,
            given.window,
            layers=given.layers,
            heads=given.heads,
            dropout=given.dropout,
            seed=context.derived_seed("sasrec transformer"),
        )

    def begin_epoch(self, epoch: int) -> None:
        """Draw each user's window: a function of seed and epoch alone."""
        self.windows.begin_epoch(epoch)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the rows in the windows."""
        return self.windows.rows_of_epoch()

    def users(self, batch: Batch) -> Tensor:
        """Return what each row has read of its history, BD."""
        return self._read(self.windows.of_batch(batch))

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield what decays, and norms and biases, which do not."""
        yield {"params": [p for p in self.parameters() if p.ndim > 1], "lr_scale": 1.0}
        yield {"params": [p for p in self.parameters() if p.ndim <= 1], "lr_scale": 1.0, "weight_decay": 0.0}

    def export_users(self, histories: Histories) -> Tensor:
        """Return users by their newest entries, UD, block by block."""
        return by_blocks(lambda part: self._read(self.windows.of_users(part)), histories, BLOCK, self.settings.dim)

    def read(self, histories: Histories) -> Tensor:
        """Return users by their newest entries, RD; entries of weight 0 are zeros in their places."""
        return self._read(self.windows.of_users(histories, hiding=True))

    def _read(self, pieces: Iterable[Piece]) -> Tensor:
        """Read piece by piece, and return each row's state, BD."""
        states, rows = [], []
        for piece in pieces:
            entry_ND = self.table(piece.item_RL.reshape(-1)) * self.settings.dim**0.5
            entry_RLD = entry_ND.view(*piece.item_RL.shape, self.settings.dim)
            if piece.shown_RL is not None:
                entry_RLD = entry_RLD * piece.shown_RL.unsqueeze(2)
            if self.rate_D is not None:
                entry_RLD = entry_RLD + piece.value_RL.unsqueeze(2) * self.rate_D
            state_RLD = self.reader(entry_RLD)
            states.append(state_RLD[piece.place_P, piece.step_P])
            rows.append(piece.row_P)
        return torch.cat(states)[torch.cat(rows).argsort()]
