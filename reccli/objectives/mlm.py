"""Masked language modelling on item texts and on histories told as text.

B texts of a batch, L tokens, T texts, N masked tokens, V vocabulary, D hidden size.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import Context, LossOutput, TrainingData
from reccli.errors import DataError
from reccli.nn.text_mask import MaskHead, hide, special_codes, word_starts
from reccli.nn.text_objective import HEAD_SCALE, TextObjective
from reccli.nn.text_pooling import widened
from reccli.nn.text_trunk import TrunkSettings, most_texts

__all__ = ["MLM", "history_texts"]

HELD_BATCH = 64
HELD_SHARE = 20
Int64 = npt.NDArray[np.int64]


class MLM(TextObjective):
    """Guess hidden tokens of the texts, so that the model learns the words of the catalogue.

    ::

        l = - 1/N sum over the N hidden tokens n of  log softmax(w . h(s_n) + b)_(v_n)

    with `s_n` the model's state at the hidden token, `h` the head, `w` the model's own word vectors, `b` a bias, and
    `v_n` the token that was hidden. Tokens are chosen anew each time, each with the chance `mask`; of the chosen ones
    80 % become the mask token, 10 % a random one, and 10 % stay.

    Args:
        settings.mask: Share of tokens to guess; 0.15 to 0.3.
        settings.whole_word: Whether all pieces of a word are hidden together.
        settings.texts: `items`, `histories` (the newest items of a user as one text), or `both`.

    Shapes:
        row numbers B -> value_B; item feature `text` ID.

    Raises:
        ConfigError: The model has no mask token, or its tokenizer does not know where words begin.
        DataError: There are fewer than two distinct texts, or no histories where these are wanted.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        The head is that of the folder's masked language model where it has one. Packaged sentence encoders come without
        one, and then the decoder is tied to the word vectors and a fresh layer is trained; its loss falls because it is
        fresh. So the held-out loss is reported beside `unigram_loss`, what the frequencies of tokens in the training
        texts alone reach on the same hidden tokens. The head is not handed on.

    Paper:
        Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding,
        NAACL 2019, https://arxiv.org/abs/1810.04805, section 3.1. On texts of the task: Gururangan et al.: Don't Stop
        Pretraining, ACL 2020, https://arxiv.org/abs/2004.10964.

    Pairs well with:
        The objectives `simcse` and `neighbours`: alone it does not train the pooled vector.

    Example:
        >>> MLM.Settings(whole_word=True).mask
        0.15
    """

    class Settings(TrunkSettings):
        """Settings of `mlm`."""

        mask: float = Field(default=0.15, gt=0, lt=1)
        """Share of tokens (of words with `whole_word`) to guess: 0.15 to 0.3."""
        whole_word: bool = False
        """Hide all pieces of a word together."""
        texts: Literal["items", "histories", "both"] = "items"
        """What is read: items' texts, the newest items of each user as one text, or both."""

    defaults: ClassVar[dict[str, object]] = {"epochs": 1, "batch_size": 64, "learning_rate": 3e-5}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, tokenise, and count tokens."""
        self.open(data, context)
        choice, tower = self.settings, self.trunk.source.tower
        special = special_codes(tower.tokenizer)
        texts, held_T = self._texts(data, context)
        self.tokens = tower.tokenise(texts)
        self.held_T = np.flatnonzero(held_T)
        order_T = context.numpy_generator("mlm texts").permutation(np.flatnonzero(~held_T))
        self.kept_T = np.sort(order_T[: most_texts(choice, context)])
        code_S = self.tokens.code_S
        self.may_S = ~np.isin(code_S, special)
        self.start_S = np.ones(len(code_S), np.bool_)
        if choice.whole_word:
            self.start_S = word_starts(tower.tokenizer, texts, tower.max_length)
        n_words = len(tower.model.get_input_embeddings().weight)
        self.mask_code = int(tower.tokenizer.mask_token_id)
        self.words = np.setdiff1d(np.arange(min(n_words, len(tower.tokenizer))), special)
        of_kept_S = np.repeat(~held_T, self.tokens.length_T) & self.may_S
        count_V = np.bincount(code_S[of_kept_S], minlength=n_words) + 1.0
        self.log_unigram_V = torch.from_numpy(np.log(count_V / count_V.sum())).float()
        self.head = MaskHead(tower, self.log_unigram_V, context.generator("mlm head"))
        self.head_scale = HEAD_SCALE if self.head.fresh else 1.0
        self.context, self.draws = context, context.numpy_generator("mlm masks")
        head = "a fresh head" if self.head.fresh else "the model's own head"
        context.say(f"mlm: {len(self.kept_T):,} texts, {len(self.held_T):,} held out, {head}")

    def _texts(self, data: TrainingData, context: Context) -> tuple[list[str], npt.NDArray[np.bool_]]:
        """Return the texts to read, and which of them are held out."""
        texts: list[str] = []
        held: list[bool] = []
        trunk, what = self.trunk, self.settings.texts
        if what != "histories":
            texts += trunk.usage.items(trunk.texts)
            held += np.isin(np.arange(len(trunk.texts)), trunk.held_T).tolist()
        if what != "items":
            told = history_texts(data, trunk.text_I, trunk.texts, set(trunk.held_T.tolist()), trunk.source.max_length)
            if not told:
                raise DataError("mlm: no user has two items with texts", hint="--set objective.mlm.texts=items")
            chosen = context.numpy_generator("mlm held-out users").permutation(len(told)) < len(told) // HELD_SHARE
            texts += told
            held += chosen.tolist()
        return texts, np.array(held, np.bool_)

    @property
    def n_rows(self) -> int:
        """Texts that are trained on."""
        return len(self.kept_T)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each text's share of the mean over all hidden tokens."""
        value_N, text_N, _ = self._guess(self.kept_T[row_B.cpu().numpy()], self.draws)
        total_B = value_N.new_zeros(len(row_B)).index_add_(0, text_N, value_N)
        return LossOutput(total_B * (len(row_B) / max(len(value_N), 1)))

    def _guess(self, text_B: Int64, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cross-entropy of each hidden token, the text it is of, and its code and guess, N N 2N."""
        tower, tokens = self.trunk.source.tower, self.tokens
        code_BL, mask_BL = (tensor.numpy() for tensor in tokens.padded(text_B, torch.device("cpu")))
        place_BL = np.where(mask_BL, tokens.offset_T1[text_B][:, None] + np.arange(code_BL.shape[1]), 0)
        seen, hidden_BL = hide(
            code_BL,
            self.may_S[place_BL] & mask_BL,
            self.start_S[place_BL],
            share=self.settings.mask,
            mask=self.mask_code,
            words=self.words,
            generator=generator,
        )
        states, rows, codes = [], [], []
        for row_P, length in self.trunk.passes(torch.from_numpy(mask_BL)):
            part = row_P.numpy()
            inputs = (torch.from_numpy(array[part, :length]).long().to(tower.device) for array in (seen, mask_BL))
            state_PLD = tower.model(**dict(zip(("input_ids", "attention_mask"), inputs, strict=True))).last_hidden_state
            row_N, column_N = np.nonzero(hidden_BL[part])
            states.append(state_PLD[row_N, column_N])
            rows.append(part[row_N])
            codes.append(code_BL[part][row_N, column_N])
        logit_NV = widened(self.head(torch.cat(states)))
        text_N, code_N = (torch.from_numpy(np.concatenate(parts)).to(tower.device) for parts in (rows, codes))
        value_N = functional.cross_entropy(logit_NV, code_N, reduction="none")
        return value_N, text_N, torch.stack([code_N, logit_NV.detach().argmax(1)])

    def held_out(self) -> dict[str, float]:
        """Return the loss on hidden tokens of texts kept out, that of their frequencies, and the share guessed."""
        generator = self.context.numpy_generator("mlm held-out masks")
        values, codes = [], []
        with self.trunk.measuring():
            for start in range(0, len(self.held_T), HELD_BATCH):
                value_N, _, code_2N = self._guess(self.held_T[start : start + HELD_BATCH], generator)
                values.append(value_N.cpu())
                codes.append(code_2N.cpu())
        code_2N = torch.cat(codes, 1) if codes else torch.zeros((2, 0), dtype=torch.int64)
        if not code_2N.shape[1]:
            return {}
        return {
            "held_out_loss": float(torch.cat(values).mean()),
            "unigram_loss": float(-self.log_unigram_V[code_2N[0]].mean()),
            "accuracy": float((code_2N[0] == code_2N[1]).float().mean()),
        }


def history_texts(
    data: TrainingData, text_I: Int64, texts: list[str], left_out: set[int], max_length: int
) -> list[str]:
    """Return the newest items of each user as one text, oldest of them first; users with fewer than two are left out.

    Args:
        data: Training histories.
        text_I: Number of each item's text, -1 for none.
        texts: The texts.
        left_out: Numbers of texts that may not be read.
        max_length: Tokens that count, so that no more items than fit are put together.
    """
    found = []
    for user in range(data.n_users):
        item_L = data.train.item_E[data.train.offset_U1[user] : data.train.offset_U1[user + 1]]
        number = [int(text) for text in text_I[item_L[-max_length:]] if text >= 0 and int(text) not in left_out]
        newest: list[str] = []
        length = 0
        for text in reversed(number):
            length += max(1, len(texts[text]) // 6)  # about its tokens
            if newest and length > max_length:
                break
            newest.append(texts[text])
        if len(newest) > 1:
            found.append("; ".join(reversed(newest)))
    return found
