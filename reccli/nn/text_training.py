"""How a text model is trained: settings that encoders share, and the rates of its layers. L layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field
from torch import nn

from reccli.api.component import ComponentSettings
from reccli.errors import ConfigError

__all__ = ["PLAIN", "TextTraining", "layers_of", "lora_config", "save_activations", "trunk_groups"]

TRUNK_SCALE = {"lora": 0.2}
TRUNK_SCALE_FULL = 0.07


class TextTraining(ComponentSettings):
    """Settings of every encoder that trains a text model."""

    trunk_scale: float | None = Field(default=None, gt=0)
    """Factor on the learning rate for the text model; .2 for LoRA and .07 (2e-5 where the head has 3e-4) for its own
    weights without one."""
    trunk_warmup: float = Field(default=0.1, ge=0, le=1)
    """Share of all steps over which the text model's rate rises from 0, if longer than the run's own warm-up."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """What the rate of a layer is multiplied by for each layer above it: .8 to .95; 1 for one rate."""
    int8: bool = False
    """Encode texts in 8-bit integers where nothing is trained, on the CPU: a quarter of the memory, and faster."""
    checkpointing: bool = False
    """Keep no activations inside the text model's layers and compute them again in the backward pass."""
    lora_rank: int = Field(default=8, ge=1, le=1024)
    """Rank of LoRA's adapters: 4 to 64."""
    lora_alpha: int = Field(default=16, ge=1)
    """Scale of LoRA's adapters, which count alpha / rank times; 1 to 2 times the rank."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before LoRA's adapters: 0 to .1."""
    lora_targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters; queries and values without any."""


PLAIN = TextTraining()


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Return a transformer's layers, lowest first."""
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def trunk_groups(
    model: nn.Module, trained: Iterable[nn.Parameter], *, mode: str, training: TextTraining
) -> Iterator[dict[str, Any]]:
    """Yield optimiser groups of a text model, the upper layers first.

    ::

        rate of layer l = scale * decay ^ (L - 1 - l),   l = 0 .. L - 1;   of what lies below the layers: decay ^ L

    What lies above the layers (a last norm) has the rate of the top one. All groups warm up.

    Args:
        model: The text model.
        trained: Its parameters to train.
        mode: What is trained (`lora`, `last-N`, `all`); decides the scale where none is set.
        training: Settings.

    Paper:
        Howard, Ruder: Universal Language Model Fine-tuning for Text Classification, ACL 2018,
        https://arxiv.org/abs/1801.06146, section 3.2 (discriminative rates). Sun, Qiu, Xu, Huang: How to Fine-Tune BERT
        for Text Classification, 2019, https://arxiv.org/abs/1905.05583 (decay .95, 2e-5, warm-up).
    """
    scale = training.trunk_scale or TRUNK_SCALE.get(mode, TRUNK_SCALE_FULL)
    below = _layers_above(model)
    groups: dict[int, list[nn.Parameter]] = {}
    for parameter in trained:
        groups.setdefault(below.get(id(parameter), 0) if training.layer_decay < 1 else 0, []).append(parameter)
    for above, parameters in sorted(groups.items()):
        rate = scale * training.layer_decay**above
        yield {"params": parameters, "lr_scale": rate, "warmup": training.trunk_warmup}


def _layers_above(model: nn.Module) -> dict[int, int]:
    """Return how many layers lie above each parameter, by its identity."""
    layers = layers_of(model)
    above = {id(p): len(layers) - 1 - number for number, layer in enumerate(layers) for p in layer.parameters()}
    reached = False
    for parameter in model.parameters():  # in the order in which a model names its parts: what comes first lies below
        reached = reached or id(parameter) in above
        above.setdefault(id(parameter), 0 if reached else len(layers))
    return above


def save_activations(model: Any) -> None:
    """Switch gradient checkpointing on: layers keep their inputs alone and run again in the backward pass.

    Raises:
        ConfigError: The model cannot.

    Paper:
        Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost, 2016,
        https://arxiv.org/abs/1604.06174.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not getattr(base, "supports_gradient_checkpointing", False):
        raise ConfigError(
            f"checkpointing: models of type '{base.config.model_type}' cannot",
            hint="--micro-batch N saves memory with every model",
        )
    # The one name is deprecated in newer versions of transformers, the other is missing in older ones.
    switch = getattr(base, "activation_checkpointing_enable", None) or base.gradient_checkpointing_enable
    switch({"use_reentrant": False, "preserve_rng_state": True})


def lora_config(model: nn.Module, training: TextTraining, usual: Iterable[str]) -> Any:
    """Return peft's settings of adapters.

    ::

        W x + (alpha / rank) B A dropout(x),   A rank x in,   B out x rank, 0 at the start

    Args:
        model: Decides which of the usual names it has.
        training: Settings.
        usual: Names of layers that get adapters where the settings name none.

    Raises:
        ConfigError: The model has no linear layer of such a name.

    Paper:
        Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, https://arxiv.org/abs/2106.09685,
        equation 3.
    """
    from peft import LoraConfig

    modules = {name.rpartition(".")[2]: module for name, module in model.named_modules() if _is_linear(module)}
    for name in training.lora_targets:
        if name not in modules:
            raise ConfigError(f"lora_targets: no linear layer is called '{name}' ({', '.join(sorted(modules))})")
    targets = [name for name in training.lora_targets or usual if name in modules]
    if not targets:
        raise ConfigError(
            "train='lora': this model has no attention layers of a known name",
            hint=f"name some: --set 'encoder.lora_targets=[\"{next(iter(sorted(modules)), 'query')}\"]', or use last-N",
        )
    return LoraConfig(
        r=training.lora_rank,
        lora_alpha=training.lora_alpha,
        lora_dropout=training.lora_dropout,
        target_modules=targets,
        fan_in_fan_out=any(not isinstance(modules[name], nn.Linear) for name in targets),
    )


def _is_linear(module: nn.Module) -> bool:
    """Whether adapters fit: a linear layer, or GPT-2's, whose weight is the other way round."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
