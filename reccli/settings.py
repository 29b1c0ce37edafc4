"""One frozen settings class per stage: the single list of what can be set, with defaults and reasons.

Values come from, weakest first: these defaults, an encoder's own preferences, `reccli.toml`, environment variables
`RECCLI_<STAGE>_<FIELD>`, and flags (`reccli.config`). A docstring under each field is its help text.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "EvaluateSettings",
    "FinetuneSettings",
    "PrepareSettings",
    "PretrainSettings",
    "RecommendSettings",
    "StageSettings",
]


class StageSettings(BaseModel):
    """Base: frozen, closed, every field documented. `SKIP` names fields that cannot change results."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    SKIP: ClassVar[frozenset[str]] = frozenset({"name"})

    def determinants(self) -> dict[str, Any]:
        """Return the settings that results depend on, for fingerprints."""
        return self.model_dump(mode="json", exclude=set(self.SKIP))


class PrepareSettings(StageSettings):
    """Settings of `reccli prepare`."""

    reader: str | None = None
    """Reader component that opens the files; found from the content without one."""
    delimiter: str | None = None
    """Column delimiter; found without one."""
    encoding: str | None = None
    """Text encoding; found (UTF-8, UTF-16 by its mark) without one."""
    header: bool | None = None
    """Whether the first line holds names; found without one."""
    user_column: str | None = None
    """Column of user ids; found by common names without one."""
    item_column: str | None = None
    """Column of item ids."""
    value_column: str | None = None
    """Column of ratings, counts or labels; none is fine."""
    time_column: str | None = None
    """Column of times; none is fine."""
    time_unit: Literal["auto", "s", "ms", "us", "ns", "iso", "order"] = "auto"
    """Unit of the times; `order` for positions that only order the rows of a user."""
    event_column: str | None = None
    """Column with the kind of behaviour."""
    event_weights: dict[str, float] = {}
    """Weight of each kind of behaviour; kinds not named are dropped and counted."""
    value_as_weight: bool = False
    """Use the value as the confidence of an implicit interaction."""
    recency_half_life: float | None = Field(default=None, gt=0)
    """Halve an interaction's weight every so many days before the newest training interaction."""
    item_text: str | None = None
    """Template of item texts over columns of the items file, as `{title} ({genres})`."""
    user_text: str | None = None
    """Template of user texts over columns of the users file; `{history}` is the titles of the training history."""
    drop_bad_rows: bool = False
    """Drop and count malformed rows instead of refusing the file."""
    duplicates: Literal["last", "first", "mean", "sum", "max", "keep", "error"] = "last"
    """What becomes of several rows of one user and item."""
    min_rating: float | None = None
    """Rows below are dropped: only values from here on count as positives."""
    core: tuple[int, int] = (0, 0)
    """Iterative k-core: least interactions of a user and of an item."""
    max_interactions: int | None = Field(default=None, gt=0)
    """Users with more are outliers and dropped."""
    task: Literal["auto", "ranking", "rating", "ctr"] = "auto"
    """What the values are for: `auto` is ranking, and ctr where the value column holds 0 and 1 alone."""
    split: Literal["auto", "random", "leave-one-out", "temporal", "global-time", "cold-item", "cold-user", "given"] = (
        "auto"
    )
    """How train, validation and test are told apart; `auto` is temporal where there is time, else random."""
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, validation and test."""
    split_column: str | None = None
    """Column with the given part of each row."""
    valid_from: str | None = None
    """Time at which validation begins (global-time), as a date or a number in the file's unit."""
    test_from: str | None = None
    """Time at which test begins (global-time)."""
    valid_from_train: float | None = Field(default=None, gt=0, lt=1)
    """With given parts and no validation part: share of each user's training rows that becomes one."""
    seed: int = Field(default=42, ge=0)
    """Seed of every random draw."""


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
    component: dict[str, Any] = {}
    """Settings of the objective, as in `--set objective.rank=256`."""


class FinetuneSettings(StageSettings):
    """Settings of `reccli finetune`. A value of None means the encoder's own preference, printed when used."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "online"})

    encoder: str = "history"
    """Encoder component."""
    loss: str | None = None
    """Loss component."""
    sampler: str | None = None
    """Sampler of negatives."""
    name: str | None = None
    """Name of the run; `encoder-loss` without one."""
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
    """Epochs without a better validation metric before stopping; 0 never stops early."""
    average: float | None = Field(default=None, ge=0, lt=1)
    """Decay of the moving average of weights that is validated and kept, 0.9 to 0.999; 0 for none."""
    metric: str | None = None
    """Validation metric that chooses the epoch, as `ndcg@10` (ranking), `rmse` (rating), `log-loss` (ctr)."""
    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations."""
    checkpoint_every: int = Field(default=1, ge=1)
    """Epochs between checkpoints."""
    max_time: float | None = Field(default=None, gt=0)
    """Seconds after which training stops with what it has."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Numbers of the forward pass; `auto` is bf16 on CUDA devices that have it, else fp32."""
    compile: bool = False
    """Compile the text model (torch.compile): a minute at the start for faster steps after it."""
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
    encoder_settings: dict[str, Any] = {}
    """Settings of the encoder, as in `--set encoder.layers=2`."""
    loss_settings: dict[str, Any] = {}
    """Settings of the loss, as in `--set loss.temperature=0.1`."""
    sampler_settings: dict[str, Any] = {}
    """Settings of the sampler, as in `--set sampler.count=512`."""


class EvaluateSettings(StageSettings):
    """Settings of `reccli evaluate`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads"})

    runs: tuple[str, ...] = ()
    """Finetune runs to evaluate; the last one without any."""
    compare: bool = False
    """Give the difference of every further run to the first with a paired bootstrap interval."""
    split: Literal["valid", "test"] = "test"
    """Which part to predict."""
    metrics: tuple[str, ...] = ()
    """Metrics; all that fit the task without any."""
    ks: tuple[int, ...] = (10, 20)
    """Cut-offs of the lists."""
    candidates: Literal["all", "warm", "cold"] = "all"
    """Items to rank: the whole catalogue, items seen in training, or items unseen in training."""
    resamples: int = Field(default=1000, ge=0)
    """Bootstrap resamples; 0 for no intervals."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of intervals."""
    gates: tuple[str, ...] = ()
    """Conditions on metrics, as `ndcg@10>=0.12`; a miss exits 13."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""
    seed: int = Field(default=42, ge=0)
    """Seed of the bootstrap."""


class RecommendSettings(StageSettings):
    """Settings of `reccli recommend`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads", "new_items"})

    run: str | None = None
    """Finetune run; the last one without a name."""
    k: int = Field(default=10, ge=1)
    """Items of a list."""
    users: tuple[str, ...] = ()
    """User ids; all users without any."""
    history: tuple[str, ...] = ()
    """Item ids of a user the model has never seen, oldest first."""
    user_text: str | None = None
    """What a user the model has never seen says of what is wanted, in words."""
    new_items: str | None = None
    """Items file (ids, titles, texts) of items that came after training; they are listed by their texts."""
    only_new: bool = False
    """List the new items alone."""
    as_of: Literal["now", "valid", "test"] = "now"
    """`now` uses and masks every interaction, `test` those of train and validation, `valid` those of train."""
    include_seen: bool = False
    """Also list items that the user already has."""
    items_allow: tuple[str, ...] | None = None
    """List these items alone."""
    items_deny: tuple[str, ...] = ()
    """Never list these items."""
    explain: bool = False
    """Add the history items that speak most for each recommendation."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""
