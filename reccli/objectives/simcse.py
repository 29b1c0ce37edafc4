"""Contrastive pre-training of the text model on item texts.

B texts of a batch, L tokens, I items, D embedding, X twice B (and B more with hard negatives), N hard negatives.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Context, LossOutput, TrainingData
from reccli.errors import one_of
from reccli.nn.text_augment import crop_tokens, delete_tokens, replace_words, shuffle_tokens, synonym_table
from reccli.nn.text_categories import Categories, nothing_shared
from reccli.nn.text_objective import TextObjective
from reccli.nn.text_pooling import widened
from reccli.nn.text_trunk import TrunkSettings, most_texts

__all__ = ["SimCSE", "two_view_loss"]

HELD_BATCH = 64
Int64 = npt.NDArray[np.int64]


class SimCSE(TextObjective):
    """Recognise a text by its own second view among the views of other texts; a view is the text under dropout.

    ::

        l_b = -log( exp(z_b . z'_b / t) / (sum_c exp(z_b . z'_c / t) + sum_n exp(z_b . h_n / t)) )

    with `z` and `z'` the unit vectors of the same B texts under two draws of dropout (and of the augmentations, where
    there are any), `h` those of hard negatives, one other text of the same category for each text, where a `category`
    is named, and `t` the temperature.

    Args:
        settings.temperature: What cosines are divided by; 0.03 to 0.1.
        settings.train: Which weights of the model are trained.
        settings.delete: Share of tokens that a view lacks; 0 to 0.3.
        settings.crop: Share of tokens that a view lacks at its ends; 0 to 0.4.
        settings.shuffle: Share of tokens that change places; 0 to 0.3.
        settings.synonyms: File with lines like `film, movie, picture`; `synonym_share` of such words are replaced.
        settings.category: Attribute of items; hard negatives come from the same value of it.

    Shapes:
        row numbers B -> value_B; item feature `text` ID.

    Raises:
        ConfigError: The file of synonyms cannot be read, there is no such attribute, or no two items share a value.
        DataError: There are fewer than two distinct texts.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        All item texts take part, those of items without interactions too: they are catalogue data, no interaction is
        looked at. A twentieth of the texts is kept out, and its loss chooses the epoch, so a model that training makes
        worse is handed on as it was. Repeated texts count once, or they would be negatives of themselves.

    Paper:
        Gao, Yao, Chen: SimCSE: Simple Contrastive Learning of Sentence Embeddings, EMNLP 2021,
        https://arxiv.org/abs/2104.08821, equations 4 and 5. Augmentations: Yan et al.: ConSERT, ACL 2021,
        https://arxiv.org/abs/2105.11741, section 3.2; Wei, Zou: EDA, EMNLP 2019, https://arxiv.org/abs/1901.11196.

    Pairs well with:
        The encoder `bert`, which picks the trained model up by itself; the objectives `neighbours` and `mlm`.

    Example:
        >>> SimCSE.Settings(train="last-1").temperature
        0.05
    """

    class Settings(TrunkSettings):
        """Settings of `simcse`."""

        temperature: float = Field(default=0.05, gt=0)
        """What cosines are divided by: 0.03 to 0.1."""
        delete: float = Field(default=0.0, ge=0, lt=1)
        """Share of tokens that a view lacks: 0 to 0.3."""
        crop: float = Field(default=0.0, ge=0, lt=1)
        """Share of tokens that a view lacks at its ends: 0 to 0.4."""
        shuffle: float = Field(default=0.0, ge=0, le=1)
        """Share of tokens that change places in a view: 0 to 0.3."""
        synonyms: str = ""
        """File with a group of synonyms a line, separated by commas."""
        synonym_share: float = Field(default=0.3, ge=0, le=1)
        """Share of the words with synonyms that a view replaces: 0.1 to 0.5."""
        category: str = ""
        """Attribute of items whose values are categories; hard negatives come from the same one."""
        separator: str = Field(default="|", min_length=1)
        """What stands between several categories of an item."""

    defaults: ClassVar[dict[str, object]] = {"epochs": 1, "batch_size": 64, "learning_rate": 3e-5}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, and draw the texts to train on."""
        choice = self.settings
        self.table = synonym_table(choice.synonyms) if choice.synonyms else {}
        if choice.category and choice.category not in data.item_attributes:
            raise one_of("attribute of items", choice.category, data.item_attributes)
        self.open(data, context)
        self.held_T = self.trunk.held_T
        self.kept_T = self.trunk.kept_T(most_texts(choice, context))
        self.categories: Categories | None = None
        if choice.category:
            allowed_T = np.isin(np.arange(len(self.trunk.texts)), self.kept_T)
            values = data.item_attributes[choice.category]
            self.categories = Categories(values, self.trunk.text_I, allowed_T, separator=choice.separator)
            if not self.categories.shared:
                raise nothing_shared("objective", choice.category, values, choice.separator)
        special = set(self.trunk.source.tower.tokenizer.all_special_ids)
        self.special = np.array(sorted(special), np.int64)
        self.context, self.draws = context, context.numpy_generator("simcse views")
        hard = f", hard negatives of {self.categories.n_categories:,} categories" if self.categories else ""
        context.say(f"simcse: {len(self.kept_T):,} texts{hard}")

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digests of the text model's folder and of the synonyms."""
        found = super().determinants(context)
        file = Path(self.settings.synonyms).expanduser()
        if self.settings.synonyms and file.is_file():
            found["synonyms"] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    @property
    def n_rows(self) -> int:
        """Distinct texts that are trained on."""
        return len(self.kept_T)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each text's loss against the second views of the batch."""
        return LossOutput(self._loss(self.kept_T[row_B.cpu().numpy()], self.draws))

    def _loss(self, text_B: Int64, generator: np.random.Generator) -> Tensor:
        hard_N = np.zeros(0, np.int64)
        if self.categories is not None:
            hard_N = self.categories.draw(text_B, generator)
            hard_N = hard_N[hard_N >= 0]
        code_XL, mask_XL = self._views(np.concatenate([text_B, text_B, hard_N]), 2 * len(text_B), generator)
        view_XD = widened(self.trunk.encode(code_XL, mask_XL))  # dropout differs from row to row
        first_BD, second_BD, hard_ND = torch.split(view_XD, [len(text_B), len(text_B), len(hard_N)])
        same_BN = torch.from_numpy(text_B[:, None] == hard_N[None, :]).to(view_XD.device)
        return two_view_loss(first_BD, second_BD, self.settings.temperature, hard_ND=hard_ND, same_BN=same_BN)

    def _views(self, text_X: Int64, augmented: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return codes and masks of texts, XL; of the first `augmented` ones as the augmentations make them."""
        choice, trunk = self.settings, self.trunk
        tokens, place_X = trunk.tokens, text_X
        if self.table and choice.synonym_share:
            texts = [trunk.texts[text] for text in text_X]
            texts[:augmented] = replace_words(texts[:augmented], self.table, choice.synonym_share, generator)
            tokens, place_X = trunk.source.tower.tokenise(trunk.usage.items(texts)), np.arange(len(texts))
        code_XL, mask_XL = tokens.padded(place_X, torch.device("cpu"))
        if not (choice.delete or choice.crop or choice.shuffle):
            return code_XL, mask_XL
        code, mask = code_XL.numpy(), mask_XL.numpy()
        may = mask & ~np.isin(code, self.special)
        may[augmented:] = False
        if choice.shuffle:
            code = shuffle_tokens(code, may, choice.shuffle, generator)
        stays = np.ones_like(mask)
        for change, share in ((crop_tokens, choice.crop), (delete_tokens, choice.delete)):
            stays &= change(may & stays, share, generator) if share else True
        return _pushed_together(code, mask & stays, tokens.padding)

    def held_out(self) -> dict[str, float]:
        """Return the loss on the texts kept out, under the same views each time."""
        if len(self.held_T) < 2:
            return {}
        generator = self.context.numpy_generator("simcse held-out augmentations")
        starts = range(0, len(self.held_T), HELD_BATCH)
        seed = self.context.derived_seed("simcse held-out views")
        with self.trunk.measuring(dropout_seed=seed):  # without dropout the two views would be one
            values = [self._loss(self.held_T[start : start + HELD_BATCH], generator) for start in starts]
        return {"held_out_loss": float(torch.cat(values).mean())}


def _pushed_together(code_XL: Int64, stays_XL: npt.NDArray[np.bool_], padding: int) -> tuple[Tensor, Tensor]:
    """Return codes and masks with the gaps of what does not stay closed, no longer than need be."""
    order_XL = np.argsort(~stays_XL, axis=1, kind="stable")
    mask_XL = np.take_along_axis(stays_XL, order_XL, axis=1)[:, : max(int(stays_XL.sum(1).max(initial=0)), 1)]
    code_XL = np.take_along_axis(code_XL, order_XL, axis=1)[:, : mask_XL.shape[1]]
    return torch.from_numpy(np.where(mask_XL, code_XL, padding)), torch.from_numpy(mask_XL)


def two_view_loss(
    first_BD: Tensor,
    second_BD: Tensor,
    temperature: float,
    *,
    hard_ND: Tensor | None = None,
    same_BN: Tensor | None = None,
) -> Tensor:
    """Return the cross-entropy of finding each row's second view among all second views and hard negatives, B.

    Args:
        first_BD: Unit vectors.
        second_BD: Unit vectors of the same texts.
        temperature: What cosines are divided by.
        hard_ND: Hard negatives of all rows, or None.
        same_BN: Where a hard negative is the row's own text, and left out.
    """
    logit_BB = first_BD @ second_BD.T / temperature
    own_B = logit_BB.diagonal()
    if hard_ND is None or not len(hard_ND):
        return logit_BB.logsumexp(1) - own_B
    hard_BN = first_BD @ hard_ND.T / temperature
    if same_BN is not None:
        hard_BN = hard_BN.masked_fill(same_BN, -torch.inf)
    return torch.cat([logit_BB, hard_BN], 1).logsumexp(1) - own_B
