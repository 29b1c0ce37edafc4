"""What can be set for `reccli finetune`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from reccli.settings.base import StageSettings

__all__ = ["FinetuneSettings"]


class FinetuneSettings(StageSettings):
    """Settings of `reccli finetune`. A value of None means the encoder's own preference, printed when used."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "online", "collapse", "recipe"})

    recipe: Literal["auto", "single"] | None = None
    """`auto` tries the encoders that suit the data, and keeps what is best on validation, one of them or several mixed;
    `single` keeps one."""
    encoder: str = "history"
    """Encoder component."""
    loss: str | None = None
    """Loss component."""
    sampler: str | None = None
    """Sampler of negatives."""
    aux: str | None = None
    """Contrast of views beside the loss, with its weight, as `simgcl:0.1`; several as `simgcl:0.1+ncl:0.05`."""
    name: str | None = None
    """Name of the run; `encoder-loss` without one."""
    task: str | None = None
    """What is trained for: ranking, rating or ctr, or several with weights, the one to be served first, as
    `rating,ranking:0.3`; that of the loss and the data without one."""
    similarity: Literal["dot", "cosine", "euclidean"] | None = None
    """How a user and an item are compared; always ends as a dot product of stored vectors."""
    encoder_path: str | None = None
    """Folder of a text model in Hugging Face layout (or, with `--online`, a name); the offline default without one."""
    pretrained: str | None = None
    """Pretrain run to start from; the last one without a name, `none` for none."""
    epochs: int | None = Field(default=None, ge=0)
    """Most passes over the training rows."""
    batch_size: int | None = Field(default=None, ge=1)
    """Rows of a step."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Rows or texts encoded at a time, so that memory does not grow with the batch (cached gradients); all at once
    without one."""
    memory: int = Field(default=0, ge=0)
    """Item vectors of earlier batches kept as further negatives (cross-batch memory), 4 to 100 batches' worth; 0 for
    none."""
    memory_after: int = Field(default=0, ge=0)
    """Steps before the memory is used: vectors move fast at first."""
    mask_twins: bool = False
    """An item with the same text as a known positive is not taken for a negative."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate."""
    optimizer: Literal["adam", "adamw", "sgd", "adafactor"] | None = None
    """Optimiser."""
    schedule: Literal["constant", "linear", "cosine"] | None = None
    """Course of the learning rate after warm-up."""
    warmup: float | None = Field(default=None, ge=0, le=1)
    """Share of all steps over which the learning rate rises from 0."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Decoupled weight decay."""
    l1: float = Field(default=0.0, ge=0)
    """L1 penalty on the embeddings that a batch uses."""
    l2: float = Field(default=0.0, ge=0)
    """L2 penalty on the embeddings that a batch uses."""
    clip: float = Field(default=0.0, ge=0)
    """Largest gradient norm; 0 for none."""
    patience: int | None = Field(default=None, ge=0)
    """Validations (one every `validate_every` epochs) without a better metric before stopping; 0 never stops early."""
    average: float | None = Field(default=None, ge=0, lt=1)
    """Decay of the moving average of weights that is validated and kept, 0.9 to 0.999; 0 for none."""
    swa: int = Field(default=0, ge=0)
    """Epoch from whose end on the plain mean of the weights is validated and kept (SWA), in place of `average`; 0 for
    none."""
    adversarial: float = Field(default=0.0, ge=0)
    """Move embeddings this far against the model for a second loss in each step, .05 to 1: APR on tables of users and
    items, FGM on those of a text model's tokens; 0 for none."""
    adversarial_weight: float = Field(default=1.0, gt=0)
    """Weight of the second loss."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the entries of users' and items' vectors that the loss does not see in training."""
    dropout_samples: int = Field(default=1, ge=1)
    """Draws of that dropout in each step, whose losses are averaged (multi-sample dropout)."""
    teacher: tuple[str, ...] = ()
    """Finetune run whose ranking is taught beside the loss (distillation); several are taught as an ensemble."""
    teacher_temperature: float = Field(default=0.5, gt=0)
    """Temperature of the teacher's and the student's normalised scores, .2 to 2; the lower, the more the top counts."""
    teacher_weight: float = Field(default=1.0, gt=0)
    """Weight of the teacher beside the loss."""
    collapse: Literal["stop", "keep"] = "stop"
    """When the vectors of users or of items collapse (all alike, or in one direction) and the validation metric falls:
    `stop` with exit code 7, or `keep` the best weights before it and end well."""
    collapse_cosine: float = Field(default=0.98, gt=0, le=1)
    """Mean cosine of random pairs of users, or of items, above which they have collapsed; 1 never."""
    collapse_rank: float = Field(default=1.1, ge=0)
    """Effective rank of the vectors of users, or of items, below which they have collapsed; 0 never."""
    metric: str | None = None
    """Validation metric that chooses the epoch, as `ndcg@10` (ranking), `rmse` (rating), `log-loss` (ctr)."""
    train_metric: bool = False
    """Measure the validation metric on a sample of train rows too, laid out in the same way: the gap is what is fitted
    beyond what is known."""
    calibration: Literal["none", "temperature", "isotonic"] = "temperature"
    """How predicted clicks (ctr) are brought to the rates at which they come true, fitted on the validation part."""
    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations."""
    checkpoint_every: int = Field(default=1, ge=1)
    """Epochs between checkpoints."""
    max_time: float | None = Field(default=None, gt=0)
    """Seconds after which training stops with what it has."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Numbers of the forward pass; `auto` is bf16 on CUDA devices that have it, else fp32."""
    compile: bool = False
    """Compile the text model (torch.compile) within the first step, a minute or more; for CUDA: a CPU gains nothing."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""
    online: bool = False
    """Allow the network (model names of a hub)."""
    refit: bool = False
    """Train on all interactions with the epochs that an earlier run of the same settings chose."""
    as_of: Literal["now", "test"] = "now"
    """With `--refit`: `test` leaves the test part out, so that it can still judge the refitted run."""
    seed: int = Field(default=42, ge=0)
    """Seed of every random draw."""
    encoder_settings: dict[str, Any] = Field(default={})
    """Settings of the encoder, as in `--set encoder.layers=2`."""
    loss_settings: dict[str, Any] = Field(default={})
    """Settings of the loss, as in `--set loss.temperature=0.1`."""
    sampler_settings: dict[str, Any] = Field(default={})
    """Settings of the sampler, as in `--set sampler.count=512`."""
    aux_settings: dict[str, Any] = Field(default={})
    """Settings of auxiliary tasks, as in `--set aux.noise=0.2` or `--set aux.simgcl.weight=0.2`."""
