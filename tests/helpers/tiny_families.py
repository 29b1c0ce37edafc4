"""Randomly initialised text models of other families than BERT's, two small layers each, in Hugging Face layout."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_gpt import CORPUS

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
CONFIGS = {
    "albert": ("AlbertConfig", {**SIZES, "embedding_size": 8}),
    "distilbert": ("DistilBertConfig", DISTIL),
    "electra": ("ElectraConfig", {**SIZES, "embedding_size": 8}),
    "mpnet": ("MPNetConfig", SIZES),
    "roberta": ("RobertaConfig", SIZES),
    "xlm-roberta": ("XLMRobertaConfig", SIZES),
}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
POSITIONS = 40


def tiny_family(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Write a model into a folder, with a byte-level tokenizer that puts texts between `<s>` and `</s>`; return it."""
    import transformers
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import RobertaProcessing

    folder.mkdir(parents=True, exist_ok=True)
    pieces = ByteLevelBPETokenizer(add_prefix_space=True)
    pieces.train_from_iterator(CORPUS, vocab_size=320, min_frequency=1, special_tokens=SPECIAL)
    tokenizer = pieces._tokenizer
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    name, sizes = CONFIGS[kind]
    config = getattr(transformers, name)(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers.AutoModelForMaskedLM.from_config(config).eval().save_pretrained(folder)
    words = dict(zip(("cls", "pad", "sep", "unk", "mask"), SPECIAL, strict=True))
    given = {f"{word}_token": piece for word, piece in words.items()}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given).save_pretrained(folder)
    return folder
