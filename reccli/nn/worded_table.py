"""Item vectors by id, with what the words of an item's text add.

B batch rows, N items asked for, I items, W word vector, D embedding.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import TrainingData
from reccli.errors import ConfigError
from reccli.nn.tables import look_up, random_table, spectral_start, table_from
from reccli.nn.text_words import Words

__all__ = ["WordedItems", "WordedTable"]


class WordedTable(nn.Module):
    """A trained vector for each item, plus a trained projection of the words of its text.

    ::

        item_i = v_i + P w_i

    with `v` a table (`item_ID`), `w` latent semantic vectors of words and pairs of words (`reccli.nn.text_words`,
    `word_IW`, not trained), each column divided by the square root of its deviation, so that rarer words count for
    more, and each row brought to length 1 again, and `P` trained. Items with few interactions borrow from those with
    similar words, and training starts with what words alone tell.

    Args:
        data: Training data.
        context: Seeds.
        size: D.
        start: `spectrum` or `random`: what the table starts from.
        std: Typical entry of table and projected words at the start.
        words: Whether words count: `yes`, `no`, or `auto` where there are texts.
        name: Of the encoder, for its draws.

    Shapes:
        codes N -> ND.

    Raises:
        ConfigError: `words` is `yes`, and the items have no texts.
    """

    constants: ClassVar[frozenset[str]] = frozenset({"word_IW"})
    word_IW: Tensor

    def __init__(
        self, data: TrainingData, context: Context, size: int, *, start: str, std: float, words: str, name: str
    ) -> None:
        super().__init__()
        worded = words != "no" and data.item_text_I is not None
        if words == "yes" and not worded:
            raise ConfigError(
                "encoder.words=yes, and the items have no texts", hint="reccli prepare RATINGS --items FILE"
            )
        generator = context.generator(f"{name} table")
        if start == "random" or context.restoring:
            self.item_ID = random_table(data.n_items, size, std=std, generator=generator)
        else:
            _, item_IR = spectral_start(data, context, size)
            self.item_ID = table_from(item_IR, size, std=std, generator=generator)
        word_IW = torch.zeros(data.n_items, 0)
        if worded and not context.restoring:
            context.say(f"{name}: words of texts are part of item vectors (--set encoder.words=no leaves them out)")
            found, warm_I = Words(), data.item_count_I() > 0
            texts = list(data.item_text_I or ())
            found.fit(texts, warm_I, context.numpy_generator(f"{name} words"))
            word_IW = _flattened(torch.from_numpy(found.vectors(texts)))
        self.register_buffer("word_IW", word_IW)
        start_WD = torch.randn(word_IW.shape[1], size, generator=generator) * std
        self.projection_WD = nn.Parameter(start_WD) if worded else None

    def forward(self, item_N: Tensor) -> Tensor:
        """Return vectors by code, ND."""
        vector_ND = look_up(self.item_ID, item_N)
        if self.projection_WD is None:
            return vector_ND
        return vector_ND + look_up(self.word_IW, item_N) @ self.projection_WD

    def all_items(self) -> Tensor:
        """Return the whole catalogue, ID."""
        if self.projection_WD is None:
            return self.item_ID
        return self.item_ID + self.word_IW @ self.projection_WD


class WordedItems:
    """The item side of an encoder whose items are a `WordedTable`; stands before `Encoder` among the bases.

    Shapes:
        codes N -> ND; the whole catalogue ID.
    """

    table: WordedTable

    def items(self, item_N: Tensor) -> Tensor:
        """Return vectors by code, ND."""
        item_ND: Tensor = self.table(item_N)
        return item_ND

    def all_items(self) -> Tensor:
        """Return the whole catalogue, ID."""
        return self.table.all_items()

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the table of items."""
        return [self.table.item_ID]

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the batch's positives, without their words."""
        return [look_up(self.table.item_ID, batch.item_B)]


def _flattened(word_IW: Tensor) -> Tensor:
    deviation_W = word_IW.square().mean(0).sqrt()
    safe_W = deviation_W.clamp_min(1e-3 * float(deviation_W.max()) if len(deviation_W) else 1.0)
    return functional.normalize(word_IW / safe_W.sqrt(), dim=1)
