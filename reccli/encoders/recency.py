"""Users as their history pooled by how recent its entries are, and mapped.

B rows, H history entries of a batch, X distinct items of them, N items asked for, I items, U users, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, Needs, Range, TrainingData
from reccli.nn.history_bags import Bags, HistoryBags
from reccli.nn.tables import first_vectors, look_up
from reccli.nn.user_blocks import by_blocks
from reccli.nn.worded_table import WordedItems, WordedTable

__all__ = ["Recency"]

BLOCK = 8192


class Recency(WordedItems, Encoder):
    """Predict what comes next from the history, the newest entries first in weight.

    ::

        item_i = v_i + P w_i                                 n_i = item_i / |item_i|
        m      = sum over what came before, j, of c_j n_j / sum of |c_j|         c_j = (1 + a_j)^(-r)
        user   = W (m + g * (n_last - m)) + b                g = sigmoid(G [m, n_last] + h)

    with `v` a trained table, `P w` what the words of the item's text add (`reccli.nn.worded_table`), `a_j` the entry's
    age in interactions, `r` a trained exponent (`age_exponent`), `W` and `b` trained (`map`, the identity at the
    start), and `g` a gate that lets the newest entry count for more, number by number. Users without a history get a
    trained vector in place of m.

    Args:
        settings.dim: Length of the vectors, 128 to 512.
        settings.dropout: Share of the entries of history vectors dropped in training, 0.2 to 0.6.
        settings.hidden: Share of history entries left out in an epoch, 0 to 0.3.
        settings.words: Whether the texts' words count; `auto` where there are texts.
        settings.gate: Whether there is a gate.
        settings.window: Entries looked back upon, 20 to 200.
        settings.rows: Training rows of a user in each epoch, drawn at random.
        settings.start, settings.std: What the table starts from.

    Shapes:
        batch -> BD; items -> ND; histories -> UD.

    Raises:
        ConfigError: `words` is `yes`, and the items have no texts.

    Notes:
        Serves users who come after training. Every row of a history is trained on from what came before it, at the cost
        of a weighted sum. The power law forgets in the manner of people: fast at first, and never wholly.

    Paper:
        Recency by a power law: Koren, Collaborative Filtering with Temporal Dynamics, KDD 2009,
        https://doi.org/10.1145/1557019.1557072. Long-term and newest interest side by side: Liu, Zeng, Mokhosi, Zhang:
        STAMP, KDD 2018, https://doi.org/10.1145/3219819.3219950. All places of a sequence trained at once: Kang,
        McAuley: Self-Attentive Sequential Recommendation, ICDM 2018, https://arxiv.org/abs/1808.09781.

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues; similarity `cosine`. The auxiliary tasks
        `cl4srec` and `duorec`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2), ordered=True)
        >>> encoder = Recency(Recency.Settings(dim=4, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `recency`."""

        dim: Annotated[int, Choices((128, 256, 512))] = Field(default=512, ge=1)
        """Length of the vectors: 128 to 512."""
        dropout: Annotated[float, Range(0.2, 0.7)] = Field(default=0.5, ge=0, lt=1)
        """Share of the numbers of history vectors that a step does not see."""
        hidden: float = Field(default=0.0, ge=0, lt=1)
        """Share of history entries left out in an epoch."""
        words: Annotated[Literal["auto", "yes", "no"], Needs("text", unless=("auto", "no"))] = "auto"
        """Whether the words of texts are part of item vectors; `auto` where there are texts."""
        gate: bool = False
        """Whether a gate lets the newest entry count for more."""
        window: int = Field(default=50, ge=1)
        """Entries looked back upon."""
        rows: int = Field(default=50, ge=1)
        """Training rows of a user in each epoch, drawn at random."""
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
        "epochs": 80,
        "batch_size": 3072,
        "learning_rate": 0.003,
        "average": 0.98,
        "patience": 6,
        "loss.temperature": 0.1,
        "sampler.count": 1024,
    }

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the table starts from."""
        return first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build table, map and gate, and keep the training histories at hand."""
        given = self.settings
        self.n_items = data.n_items
        self.targets_per_user = given.rows
        self.table = WordedTable(
            data, context, given.dim, start=given.start, std=given.std, words=given.words, name="recency"
        )
        self.bags = HistoryBags(data, context, causal=True, share=given.hidden, window=given.window)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.derived_seed("recency map"))
            self.map = nn.Linear(given.dim, given.dim)
            self.gate = nn.Linear(2 * given.dim, given.dim) if given.gate else None
        nn.init.eye_(self.map.weight)
        nn.init.zeros_(self.map.bias)
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, -3.0)
        self.nobody_D = nn.Parameter(torch.full((given.dim,), given.dim**-0.5))

    def begin_epoch(self, epoch: int) -> None:
        """Draw what is left out in this epoch: a function of seed and epoch alone."""
        self.bags.begin_epoch(epoch)

    def users(self, batch: Batch) -> Tensor:
        """Return what came before each row, pooled and mapped, BD."""
        return self._mapped(self.bags.of_rows(batch))

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield all but the exponent of ages, and that, which takes larger steps and no decay."""
        few = [p for p in self.bags.parameters() if p.requires_grad]
        apart = {id(p) for p in self.bags.parameters()}
        yield {"params": [p for p in self.parameters() if id(p) not in apart], "lr_scale": 1.0}
        yield {"params": few, "lr_scale": 5.0, "weight_decay": 0.0}

    def export_users(self, histories: Histories) -> Tensor:
        """Return users by their whole histories, UD, block by block."""
        return by_blocks(lambda part: self._mapped(self.bags.of_users(part)), histories, BLOCK, self.settings.dim)

    def read(self, histories: Histories) -> Tensor:
        """Return users by their whole histories, RD."""
        return self._mapped(self.bags.of_users(histories, hiding=True))

    def _mapped(self, bags: Bags) -> Tensor:
        code_X, place_H = torch.unique(bags.item_H, return_inverse=True)
        unit_XD = functional.normalize(self.table(code_X), dim=1)
        unit_XD = functional.dropout(unit_XD, self.settings.dropout, self.training)
        mean_BD = replace(bags, item_H=place_H).mean(unit_XD)
        mean_BD = torch.where(bags.known_B1, mean_BD, self.nobody_D)
        if self.gate is not None:
            last_BD = (
                torch.where(bags.known_B1, look_up(unit_XD, place_H[_last(bags)]), mean_BD) if len(place_H) else mean_BD
            )
            share_BD = torch.sigmoid(self.gate(torch.cat([mean_BD, last_BD], dim=1)))
            mean_BD = mean_BD + share_BD * (last_BD - mean_BD)
        user_BD: Tensor = self.map(mean_BD)
        return user_BD


def _last(bags: Bags) -> Tensor:
    """Return where each row's newest entry is among those of all bags (anywhere for an empty one), B."""
    end_R = torch.cat([bags.begin_R[1:], bags.begin_R.new_tensor([len(bags.item_H)])])
    return (end_R - 1).clamp_min(0)[bags.place_B]
