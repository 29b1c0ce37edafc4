"""Masked tokens: which are hidden, and the head that guesses them.

B texts of a batch, L tokens, N masked tokens, S tokens of all texts, W words of a text, V vocabulary, D hidden size,
E size of word vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.errors import ConfigError
from reccli.nn.text_folder import read_json
from reccli.nn.text_tower import TextTower

__all__ = ["MaskHead", "hide", "special_codes", "word_starts"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
GAIN = 0.2


def hide(
    code_BL: Int64,
    may_BL: Bool,
    start_BL: Bool,
    *,
    share: float,
    mask: int,
    words: Int64,
    generator: np.random.Generator,
) -> tuple[Int64, Bool]:
    """Return what the model sees and which tokens it has to guess, both BL.

    Each word is chosen with a chance, at least one of a text, and then all of its tokens are to be guessed. Of the
    chosen tokens 80 % become the mask, 10 % a random word piece, and 10 % stay as they are.

    Args:
        code_BL: Token codes.
        may_BL: Tokens that may be chosen (no special ones, no padding).
        start_BL: Where a word begins; true everywhere for single tokens.
        share: Chance of a word, 0.1 to 0.4.
        mask: Code of the mask.
        words: Codes that a random word piece is drawn from.
        generator: Draws.
    """
    word_BL = np.cumsum(start_BL & may_BL, axis=1)  # words counted from 1
    n_words = int(word_BL.max(initial=0))
    chosen_BW = generator.random((len(code_BL), n_words + 1)) < share
    chosen_BW[:, 0] = False
    forced_B = 1 + (generator.random(len(code_BL)) * word_BL.max(axis=1, initial=0)).astype(np.int64)
    within_BW = np.arange(n_words + 1) <= word_BL.max(axis=1, initial=0)[:, None]
    none_B = ~(chosen_BW & within_BW).any(axis=1) & (word_BL.max(axis=1, initial=0) > 0)
    chosen_BW[none_B, forced_B[none_B]] = True
    hidden_BL = chosen_BW[np.arange(len(code_BL))[:, None], word_BL] & may_BL
    fate_BL = generator.random(code_BL.shape)
    seen_BL = np.where(hidden_BL & (fate_BL < 0.8), mask, code_BL)
    drawn_BL = words[generator.integers(0, len(words), code_BL.shape)]
    seen_BL = np.where(hidden_BL & (fate_BL >= 0.8) & (fate_BL < 0.9), drawn_BL, seen_BL)
    return seen_BL, hidden_BL


def special_codes(tokenizer: Any) -> Int64:
    """Return the codes of special tokens, sorted.

    Raises:
        ConfigError: The model has no mask token (decoders have none).
    """
    if tokenizer.mask_token_id is None:
        raise ConfigError("mlm: this text model has no mask token", hint="--objective simcse, or neighbours")
    return np.array(sorted(set(tokenizer.all_special_ids)), np.int64)


def word_starts(tokenizer: Any, texts: Sequence[str], max_length: int) -> Bool:
    """Return for each token of all texts whether a word begins there, S; special tokens begin one of their own.

    Raises:
        ConfigError: The tokenizer cannot tell.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            "mlm: whole_word needs a tokenizer that knows its words", hint="--set objective.whole_word=false"
        )
    found = tokenizer(list(texts), truncation=True, max_length=max_length, padding=False)
    parts = []
    for number in range(len(texts)):
        word_L = np.array([-1 if word is None else word for word in found.word_ids(number)], np.int64)
        parts.append(np.concatenate([[True], word_L[1:] != word_L[:-1]]) | (word_L < 0) if len(word_L) else word_L > 0)
    return np.concatenate(parts) if parts else np.zeros(0, np.bool_)


class MaskHead(nn.Module):
    """Hidden states -> log odds of the vocabulary; the decoder is the model's own table of word vectors.

    ::

        logit_v = w_v . h(state) + b_v

    with `w_v` the word vectors, `h` the head of the folder's own masked language model where it has one, else a fresh
    layer `norm(gelu(A state + a))`, and `b_v` its bias, which starts from the logarithm of the words' frequencies.

    Args:
        tower: The text model.
        log_frequency_V: Logarithm of each word piece's frequency.
        generator: Draws what a fresh layer starts from.
    """

    def __init__(self, tower: TextTower, log_frequency_V: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self._words = [tower.model.get_input_embeddings()]  # in a list: the weights are the tower's, not this head's
        loaded = _loaded_head(tower)
        self.fresh = loaded is None
        if loaded is None:
            self.transform, bias_V = _fresh_head(tower.size, self.weight_VE.shape[1], generator), log_frequency_V
        else:
            self.transform, bias_V = loaded
        self.bias_V = nn.Parameter(bias_V.detach().float().clone())

    @property
    def weight_VE(self) -> Tensor:
        """Word vectors."""
        weight: Tensor = self._words[0].weight
        return weight

    def forward(self, state_ND: Tensor) -> Tensor:
        """Return log odds, NV."""
        return functional.linear(self.transform(state_ND), self.weight_VE, self.bias_V)


def _fresh_head(size: int, width: int, generator: torch.Generator) -> nn.Module:
    linear, norm = nn.Linear(size, width), nn.LayerNorm(width)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(width, size, generator=generator) * size**-0.5)
        linear.bias.zero_()
        norm.weight.fill_(GAIN)  # near the frequencies alone at first
    return nn.Sequential(linear, nn.GELU(), norm)


class _Given(nn.Module):
    """Stands where the model's trunk was, and gives states that are made already."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.state_ND: list[Tensor] = []

    def forward(self, *_: Any, **__: Any) -> Any:
        """Return the states as a trunk would."""
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self.state_ND[0].unsqueeze(0))


class _Same(nn.Identity):
    """Stands where the decoder was."""

    bias = None


class _Loaded(nn.Module):
    """The head of a masked language model without its trunk and its decoder."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        given = _Given(model.config)
        setattr(model, model.base_model_prefix, given)
        model.set_output_embeddings(_Same())
        self.model, self._given = model, [given]

    def forward(self, state_ND: Tensor) -> Tensor:
        """Return what the decoder would get, NE."""
        given = self._given[0]
        given.state_ND = [state_ND]
        places = torch.zeros((1, len(state_ND)), dtype=torch.int64, device=state_ND.device)
        out: Tensor = self.model(input_ids=places).logits[0]
        given.state_ND = []
        return out


def _loaded_head(tower: TextTower) -> tuple[nn.Module, Tensor] | None:
    """Return the head that the folder has, and its bias; None where it has none."""
    kinds = read_json(tower.folder / "config.json").get("architectures")
    if not isinstance(kinds, list) or not any(str(kind).endswith("ForMaskedLM") for kind in kinds):
        return None
    from transformers import AutoModelForMaskedLM

    model, info = AutoModelForMaskedLM.from_pretrained(
        tower.folder,
        use_safetensors=True,
        output_loading_info=True,
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
    )
    if info["missing_keys"] or info["mismatched_keys"]:
        return None
    bias_V = getattr(model.get_output_embeddings(), "bias", None)
    words = model.get_input_embeddings().weight
    bias_V = torch.zeros(len(words)) if bias_V is None else bias_V
    return _Loaded(model), bias_V
