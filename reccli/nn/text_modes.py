"""What `auto` means for the training of a text model, and how that is said."""

from __future__ import annotations

from reccli.nn.text_folder import model_label
from reccli.nn.text_source import TextSource
from reccli.nn.text_tower import check_mode, has_peft

__all__ = ["resolved_mode", "training_story"]


def resolved_mode(train: str, device: str) -> str:
    """Return how `TextTower` is to use the model for a setting `train`: `auto` depends on the device."""
    if train == "auto":
        train = ("lora" if has_peft() else "last-2") if device.startswith("cuda") else "head"
    return "frozen" if train == "head" else check_mode(train)


def training_story(source: TextSource, train: str, mode: str) -> str:
    """Return one line on the model and on which of its weights are trained."""
    name = model_label(source.folder)
    if mode == "frozen":
        why = " (no CUDA; --train last-2 trains the model itself)" if train == "auto" else ""
        return f"bert: {name}, a head on cached frozen centred vectors{why}"
    some, everything = source.tower.counts()
    how = "trained by LoRA" if mode == "lora" else f"trained ({mode})"
    if train == "auto" and mode != "lora":
        how += ", as LoRA needs pip install 'reccli[peft]'"
    return f"bert: {name}, {how}, {some / 1e6:.1f} M of {everything / 1e6:.1f} M weights"
