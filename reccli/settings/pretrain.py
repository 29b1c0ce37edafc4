"""What can be set for `reccli pretrain`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from reccli.settings.base import StageSettings

__all__ = ["PretrainSettings"]


class PretrainSettings(StageSettings):
    """Settings of `reccli pretrain`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "online", "log_every"})

    objective: str = "spectral"
    """Objective component."""
    name: str | None = None
    """Name of the run; the objective's name without one."""
    encoder_path: str | None = None
    """Folder of a text model in Hugging Face layout (or, with `--online`, a name); the offline default without one."""
    epochs: int | None = Field(default=None, ge=0)
    """Passes over the rows; the objective's own preference without one."""
    batch_size: int | None = Field(default=None, ge=1)
    """Rows of a step."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate."""
    optimizer: Literal["adam", "adamw", "sgd", "adafactor"] = "adamw"
    """Optimiser."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """Course of the learning rate after warm-up."""
    warmup: float = Field(default=0.06, ge=0, le=1)
    """Share of all steps over which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""
    clip: float = Field(default=1.0, ge=0)
    """Largest gradient norm; 0 for none."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Numbers of the forward pass; `auto` is bf16 on CUDA devices that have it, else fp32."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""
    online: bool = False
    """Allow the network (model names of a hub)."""
    seed: int = Field(default=42, ge=0)
    """Seed of every random draw."""
    component: dict[str, Any] = Field(default={})
    """Settings of the objective, as in `--set objective.rank=256`."""
