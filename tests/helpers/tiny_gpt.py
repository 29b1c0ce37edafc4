"""Randomly initialised decoders of two small layers with a byte-level vocabulary, in Hugging Face layout."""

from __future__ import annotations

from pathlib import Path

import torch

CORPUS = ["the story of a rocket on a planet", "a kiss and a dance in the summer garden, part 12", "robots likes laser"]
SIZE = {"vocab_size": 320, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDE = {"intermediate_size": 32, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2}


def tiny_gpt(folder: Path, *, seed: int = 0, kind: str = "gpt2") -> Path:
    """Write a decoder into a folder (`gpt2`, `llama` or `qwen2`) and return it; its tokenizer has no padding token."""
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    folder.mkdir(parents=True, exist_ok=True)
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(CORPUS, vocab_size=320, min_frequency=1, special_tokens=["<|endoftext|>"])
    end = pieces.token_to_id("<|endoftext|>")
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": None}
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=320, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.2, **ends
        )
    else:
        name = {"llama": "LlamaConfig", "qwen2": "Qwen2Config"}[kind]
        config = getattr(transformers, name)(**SIZE, **WIDE, **ends)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers.AutoModelForCausalLM.from_config(config).eval().save_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(folder)
    return folder
