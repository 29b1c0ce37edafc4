"""A text model (BERT-like, or a small decoder) as a building block: load, choose what is trained, encode, save.

B texts of a batch, L tokens, D embedding, T texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reccli.errors import ConfigError, DamagedArtifactError, MissingExtraError
from reccli.nn.int8 import in_int8
from reccli.nn.text_folder import check_model, model_digest
from reccli.nn.text_pooling import pool_tokens
from reccli.nn.text_tokens import Int64, Tokens, tokenise
from reccli.nn.text_training import PLAIN, TextTraining, layers_of, lora_config, save_activations
from reccli.nn.text_usage import POOLING_FILE, pooling_config

__all__ = ["TextTower", "check_mode", "has_peft"]

LORA_TARGETS = ("query", "value", "query_proj", "value_proj", "q_lin", "v_lin", "q", "v", "Wqkv",
                "q_proj", "v_proj", "query_key_value", "c_attn")  # fmt: skip
MANY_BATCHES = 16
MODE = re.compile(r"frozen|lora|all|last-[1-9]\d{0,2}")


def has_peft() -> bool:
    """Whether LoRA adapters can be made here."""
    import importlib.util

    return importlib.util.find_spec("peft") is not None


def check_mode(mode: str) -> str:
    """Return `mode` if it says which weights are trained (`frozen`, `lora`, `last-N`, `all`).

    Raises:
        ConfigError: It does not.
    """
    if not MODE.fullmatch(mode):
        raise ConfigError(f"train='{mode}' is not one of lora, all, last-N (N from 1)")
    return mode


class TextTower(nn.Module):
    """Text -> unit vector, by a transformer and pooling.

    Args:
        folder: A folder that `check_model` accepts; it is checked again before it is opened.
        mode: What is trained: `frozen`, `lora` (adapters on attention), `last-N` (the last N layers) or `all`.
        pooling: `mean`, `cls` or `last`.
        max_length: Tokens of a text that count.
        batch: Texts encoded at a time.
        seed: Decides the first values of adapters.
        training: How it is trained.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: str = "frozen",
        pooling: str = "mean",
        max_length: int = 64,
        batch: int = 128,
        seed: int,
        training: TextTraining = PLAIN,
    ) -> None:
        super().__init__()
        check_model(folder)
        self.folder, self.mode, self.pooling, self.batch = folder, check_mode(mode), pooling, batch
        self.model, self.tokenizer = _load(folder)
        limit = int(getattr(self.model.config, "max_position_embeddings", max_length))
        # Models of the RoBERTa kind count positions from the padding code on, so the last two are not for text.
        self.max_length = min(max_length, limit - 2)
        self.digest = model_digest(folder)
        self._small: list[nn.Module] = []  # in a list, so that it is no part of the module
        self._choose(mode, seed, training)

    @property
    def size(self) -> int:
        """Numbers of a vector, D."""
        config = self.model.config
        return int(getattr(config, "hidden_size", 0) or config.dim)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = next(self.model.parameters()).device
        return device

    def trained(self) -> dict[str, nn.Parameter]:
        """Parameters that training changes, by name."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def trained_as_state(self) -> nn.ParameterDict:
        """Return the trained parameters for a module's state.

        The tower itself is best kept out of it: as a submodule, all of its weights would be state and checkpoint.
        """
        return nn.ParameterDict({name.replace(".", "/"): value for name, value in self.trained().items()})

    def counts(self) -> tuple[int, int]:
        """Trained numbers, and all numbers."""
        return sum(p.numel() for p in self.trained().values()), sum(p.numel() for p in self.model.parameters())

    def state_digest(self) -> str:
        """Digest of the weights as they are now: the folder's, and what training made of it."""
        trained = self.trained()
        if not trained:
            return self.digest
        total = hashlib.sha256(self.digest.encode())
        for name in sorted(trained):
            total.update(name.encode())
            total.update(trained[name].detach().float().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts as this model wants them."""
        return tokenise(self.tokenizer, texts, max_length=self.max_length)

    def forward(self, code_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return unit vectors, BD float32, from token codes and the mask of real tokens."""
        state_BLD = self.model(input_ids=code_BL, attention_mask=mask_BL.long()).last_hidden_state
        return pool_tokens(state_BLD, mask_BL, self.pooling)

    def encode(self, tokens: Tokens, text_N: Int64, *, micro_batch: int | None = None) -> Tensor:
        """Return unit vectors of some texts, ND, in batches of similar length; with gradients where they are on.

        Args:
            tokens: All texts.
            text_N: Which of them.
            micro_batch: With gradients, texts of a pass whose activations are not kept but computed again in the
                backward pass (cached gradients, Gao et al. 2021, https://arxiv.org/abs/2101.06983); without a number
                this is done where there are very many texts (a loss over the catalogue).
        """
        parts, positions = [], []
        most = MANY_BATCHES * self.batch if micro_batch is None else micro_batch
        lean = torch.is_grad_enabled() and len(text_N) > most
        size = min(self.batch, micro_batch) if lean and micro_batch is not None else self.batch
        for position_B in tokens.batches(text_N, size):
            inputs = tokens.padded(text_N[position_B], self.device)
            parts.append(checkpoint(self, *inputs, use_reentrant=False) if lean else self(*inputs))
            positions.append(torch.from_numpy(position_B))
        if not parts:
            return torch.zeros((0, self.size), device=self.device)
        place_N = torch.argsort(torch.cat(positions)).to(self.device)
        return torch.cat(parts)[place_N]

    @contextlib.contextmanager
    def as_int8(self) -> Iterator[None]:
        """Encode by a copy in 8-bit integers inside, made anew where the weights are being trained."""
        whole = self.model
        if self.trained() or not self._small:
            self._small = [in_int8(whole, max_length=self.max_length)]
        self.model = self._small[0]
        try:
            yield
        finally:
            self.model = whole

    def save(self, folder: Path) -> None:
        """Write configuration, weights (safetensors, adapters merged in) and tokenizer in Hugging Face layout."""
        model = self.model
        if self.mode == "lora":
            import copy

            model = copy.deepcopy(model).merge_and_unload()
        folder.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)
        place = folder / POOLING_FILE  # who opens the folder next learns how its tokens are pooled
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(pooling_config(self.pooling, self.size), indent=2) + "\n", encoding="utf-8")

    def _choose(self, mode: str, seed: int, training: TextTraining) -> None:
        self.model.requires_grad_(mode == "all")
        if mode == "lora":
            self.model = _with_adapters(self.model, seed, training)
        elif mode.startswith("last-"):
            layers, wanted = layers_of(self.model), int(mode.removeprefix("last-"))
            if wanted > len(layers):
                raise ConfigError(f"train='{mode}': {self.folder.name} has {len(layers)} layers of its own to train")
            for layer in layers[-wanted:]:
                layer.requires_grad_(True)
        pooler = getattr(self.model, "pooler", None)  # not on the way from the text to the vector
        if isinstance(pooler, nn.Module):
            pooler.requires_grad_(False)
        if training.checkpointing and mode != "frozen":
            save_activations(self.model)


def _load(folder: Path) -> tuple[Any, Any]:
    import transformers
    from transformers import AutoModel, AutoTokenizer

    logging: Any = transformers.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, info = AutoModel.from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **safe,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedArtifactError(f"text model {folder} cannot be opened: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(name for name in info["missing_keys"] if not name.startswith("pooler."))
    if missing or info["mismatched_keys"]:
        name = missing[0] if missing else sorted(info["mismatched_keys"])[0]
        raise DamagedArtifactError(f"text model {folder} lacks the weights of {name}")
    if getattr(model.config, "use_cache", False):
        model.config.use_cache = False  # nothing is generated: keys and values of tokens are not wanted again
    return model.eval(), tokenizer


def _with_adapters(model: nn.Module, seed: int, training: TextTraining) -> Any:
    if not has_peft():
        raise MissingExtraError("peft", "training by LoRA")
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for names that are about to go
        torch.manual_seed(seed)
        return get_peft_model(model, lora_config(model, training, LORA_TARGETS))
