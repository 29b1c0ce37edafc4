"""Items by their texts through a BERT-like model; users by the items of their history. B rows, N, I items, U users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, ComponentSettings, Context, Encoder, Histories, Range, TrainingData
from reccli.nn.text_choice import fit_estimate
from reccli.nn.text_estimate import SpectralEstimate
from reccli.nn.text_head import ridge_head, tilted_items, tilted_users
from reccli.nn.text_items import item_texts
from reccli.nn.text_modes import resolved_mode, training_story
from reccli.nn.text_pooling import divided, interaction_weights, mean_histories, pair_weights, pool_histories
from reccli.nn.text_reading import TextReading, model_start, open_reading, reading_determinants
from reccli.nn.text_table import TextTable
from reccli.nn.text_training import TextTraining
from reccli.nn.text_users import AttendedHistories, UserTexts

__all__ = ["Bert"]


class Bert(Encoder):
    """Text model and linear head for items, mean of the history for users.

    ::

        x_i = m(text_i) - mean of m(text_j) over items j seen in training
        item_i = [unit(x_i + x_i W), x_i . p, c s(text_i)]     user_u = [unit(h_u + h_u W), 1, mean of places]
        h_u = sum_j w_uj x_j / sum_j w_uj,   w_uj = weight_uj (1 + age_uj)^(-recency)

    with `m` the text model (unit vectors), `W` the head, `p` what texts tell of popularity, `s` what they tell of
    places in the spectrum (`reccli.nn.text_estimate`; with a frozen model alone). `W` and `p` start from regressions
    (`reccli.nn.text_head`) or from 0, whichever ranks left-out items best. The row's own positive is left out of `h_u`.

    Args:
        settings.train: What is trained besides the head; `auto` is LoRA on CUDA (the last 2 layers without peft), and
            the head alone, on cached vectors, on the CPU.

    Shapes:
        users(batch) BD, items(codes) ND, D the model's own width (384 for the offline default), 1, and 0 or 128.

    Raises:
        MissingExtraError: The offline default is wanted and its wheel is not installed.
        OfflineError: `path` names a model of a hub, and `--online` was not given.
        DamagedArtifactError: The model's folder is not safe to open, or not the one that a run was trained with.

    Notes:
        When the text model is trained, gradients reach it through the batch's positives and negatives. The vectors that
        histories are made of come from a table without gradients, refreshed once an epoch: gradients through whole
        histories would cost some hundred texts per row. Centring matters: sentence models put all texts of one domain
        into a narrow cone (NDCG@20 of cold films .12 instead of .20). With `user=text` new users are served by their
        texts, not by histories; a user text made of `{history}` names the very items that training is to find.

    Paper:
        Reimers, Gurevych: Sentence-BERT, EMNLP 2019, https://arxiv.org/abs/1908.10084 (the model). Hou et al.: Towards
        Universal Sequence Representation Learning for Recommender Systems, KDD 2022, https://arxiv.org/abs/2206.05941
        (a light head on text vectors). Hu et al.: LoRA, ICLR 2022, https://arxiv.org/abs/2106.09685.

    Pairs well with:
        `infonce` with `uniform` negatives, and similarity `dot`. With `in-batch` negatives give the loss `log_q`: they
        are popular items, and pushing these away unlearns what the text tells of popularity.

    Example:
        >>> Bert.Settings(train="last-2").train
        'last-2'
    """

    class Settings(TextReading, TextTraining):
        """Settings of `bert`."""

        train: str = Field(default="auto", pattern=r"^(auto|head|lora|all|last-[1-9]\d{0,2})$")
        """What is trained: `head`, `lora`, `last-N` layers, `all`, or `auto`."""
        user: Literal["history", "attention", "text"] = "history"
        """What a user is: the plain mean of the history, a mean weighed by attention, or the user's own text."""
        centre: bool = True
        """Subtract the mean vector of the items seen in training."""
        recency: Annotated[float, Range(0.0, 1.0)] = Field(default=0.0, ge=0, le=4)
        """Exponent by which older interactions count less; 0 for the plain mean, up to about 1."""
        history: int = Field(default=0, ge=0)
        """Newest interactions of a user that count; 0 for all."""
        start: Literal["ridge", "identity"] = "ridge"
        """Where the head starts: a regression on the spectrum (if it helps on left-out items), or the frozen model."""

    needs: ClassVar[frozenset[str]] = frozenset({"history"})  # a text too, but without any, ids and attributes serve
    views: frozenset[str] = frozenset({"history"})
    reads_order: bool = False
    serves_new_users: bool = True
    serves_new_items: bool = True
    serves_user_texts: bool = True
    cuts_passes: ClassVar[bool] = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "uniform"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "dot",
        "learning_rate": 3e-4,
        "epochs": 20,
        "batch_size": 1024,
        "patience": 3,
        "loss.temperature": 0.1,
    }

    own_E: Tensor
    total_U: Tensor

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        if self.settings.user == "text":
            self.serves_new_users, self.views = False, frozenset()

    def extras(self, device: str) -> frozenset[str]:
        """Return all where the text model is trained, else none."""
        return super().extras(device) if resolved_mode(self.settings.train, device) != "frozen" else frozenset()

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the text model, where none is named."""
        return model_start(self.settings.path, offered)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model (or the cache of what it said), and centre its vectors."""
        choice = self.settings
        self.mode = resolved_mode(choice.train, context.device)
        training = {"mode": self.mode, "seed": context.derived_seed("bert.adapters"), "training": choice}
        self.source, self.usage = open_reading(choice, context, **training)
        self.n_items = data.n_items
        warm_I = torch.from_numpy(data.item_count_I() > 0)
        texts = self.usage.items(item_texts(data, context))
        self.table = TextTable(self.source, texts, warm_I, centre=choice.centre, restoring=context.restoring)
        self._histories(data.train)
        self._user_side(data, context)
        head_DD, tilt_D = self._start(data, texts, context)
        self.head_DD, self.tilt_D = nn.Parameter(head_DD), nn.Parameter(tilt_D)
        if not context.restoring:
            context.say("; ".join([training_story(self.source, self.settings.train, self.mode), *self.usage.notes]))

    def _start(self, data: TrainingData, texts: list[str], context: Context) -> tuple[Tensor, Tensor]:
        """Return the first head and tilt, DD and D, and make the estimate that goes with them."""
        self.estimate = SpectralEstimate(data.train)  # without numbers until it is fitted
        size = self.table.size
        if self.settings.start != "ridge" or context.restoring:
            return torch.zeros(size, size), torch.zeros(size)
        base_ID = self.table.base_ID
        head = ridge_head(base_ID, data.train, context.numpy_generator)
        if self.mode != "frozen" or self.side is not None:
            context.say(head.story)
            return head.head_DD, head.tilt_D
        found = fit_estimate(base_ID, texts, data.train, head, context.numpy_generator)
        self.estimate = found.estimate
        context.say(found.story)
        return found.head_DD, found.tilt_D

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder: another content under the same path is another run."""
        read = reading_determinants(self.settings.path, self.settings.pooling, context)
        return read | {"train": resolved_mode(self.settings.train, context.device)}

    def _histories(self, train: Histories) -> None:
        self.train_histories, self.weight_E = train, self._weights(train)
        total_U = np.bincount(train.user_E, weights=self.weight_E, minlength=train.n_users).astype(np.float32)
        self.register_buffer("total_U", torch.from_numpy(total_U), persistent=False)
        self.register_buffer("own_E", torch.from_numpy(pair_weights(train, self.weight_E)), persistent=False)
        self.sum_UD: tuple[Tensor, int, Tensor] | None = None

    def _user_side(self, data: TrainingData, context: Context) -> None:
        """Build what makes users of something else than the plain mean of their history."""
        self.side: AttendedHistories | UserTexts | None = None
        if self.settings.user == "attention":
            generator = context.generator("bert attention")
            self.side = AttendedHistories(data.train, self._weights, self.table.size, generator)
        elif self.settings.user == "text":
            texts = list(data.user_text_U or [""] * data.n_users)
            told_U = torch.tensor([bool(text.strip()) for text in texts])
            texts = self.usage.users(texts)
            base_ID = self.table.base_ID
            self.side = UserTexts(self.source, texts, told_U, data.train, base_ID, restoring=context.restoring)

    def warm_users(self) -> Tensor | None:
        """Return the users who have a text, where users are their texts."""
        return self.side.told_U.cpu() if isinstance(self.side, UserTexts) else None

    def _weights(self, histories: Histories) -> npt.NDArray[np.float32]:
        return interaction_weights(histories, recency=self.settings.recency, longest=self.settings.history)

    def _sums(self) -> Tensor:
        """Return the weighted sum of each training user's item vectors, UD; made again when the table is another."""
        base_ID = self.table.base_ID
        known = self.sum_UD
        if known is None or known[0] is not base_ID or known[1] != base_ID._version:  # replaced, or loaded into
            sum_UD = pool_histories(self.train_histories, self.weight_E, base_ID)
            self.sum_UD = known = base_ID, base_ID._version, sum_UD
        return known[2]

    def begin_epoch(self, epoch: int) -> None:
        """Bring the table of item vectors up to the weights, and the mean up to the table."""
        self.table.begin_epoch()

    def begin_step(self) -> None:
        """Note that a step is about to change the text model."""
        self.table.begin_step()

    def users(self, batch: Batch) -> Tensor:
        """Return the mean of each row's history without its own positive, through the head: BD."""
        if not self.training:
            self.table.refresh()
        if self.side is not None:
            return self._users(self.side.of_rows(batch, self.table.base_ID))
        own_B1 = self.own_E[batch.row_B].unsqueeze(1)
        rest_BD = self._sums()[batch.user_B] - own_B1 * self.table.base_ID[batch.item_B]
        user_BS = self._users(divided(rest_BD, self.total_U[batch.user_B].unsqueeze(1) - own_B1))
        return torch.cat([user_BS, self.estimate.of_rows(batch)], dim=1)

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, ND."""
        item_NS = self._items(self.table(item_N, micro_batch=self.micro_batch))
        return torch.cat([item_NS, self.estimate.of_items(item_N)], dim=1)

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the table of tokens where the text model is trained."""
        return [self.source.tower.model.get_input_embeddings().weight] if self.table.trained else []

    def compiled_parts(self) -> list[nn.Module]:
        """Return the text model where it is trained."""
        return [self.source.tower.model] if self.table.trained else []

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the head, and the text model at a rate of its own."""
        yield {"params": [self.head_DD, self.tilt_D], "lr_scale": 1.0}
        if self.side is not None:
            yield {"params": [*self.side.parameters()], "lr_scale": 1.0}
        yield from self.table.groups(self.settings)

    @torch.no_grad()
    def export_items(self) -> Tensor:
        """Return item vectors by the weights as they are, ID on the CPU."""
        self.table.refresh()
        places = self.estimate.scale * self.estimate.item_IR
        return torch.cat([self._items(self.table.base_ID), places], dim=1).float().cpu()

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return user vectors from any histories, UD on the CPU; zeros for an empty one."""
        self.table.refresh()
        return self.read(histories).float().cpu()

    def read(self, histories: Histories) -> Tensor:
        """Return users by any histories, RD, over the table of item vectors as it is; zeros for an empty one."""
        if self.side is not None:
            return self._users(self.side.of_histories(histories, self.table.base_ID))
        user_RS = self._users(mean_histories(histories, self._weights(histories), self.table.base_ID))
        return torch.cat([user_RS, self.estimate.of_histories(histories)], dim=1)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, ND on the CPU."""
        texts = self.usage.items(texts)
        base_ND = self.table.encode(texts)
        return torch.cat([self._items(base_ND), self.estimate.of_texts(base_ND, texts)[0]], dim=1).float().cpu()

    @torch.no_grad()
    def encode_user_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of users given by what they say, ND on the CPU; where users are histories, as of one item."""
        self.table.refresh()
        encode = self.side.encode if isinstance(self.side, UserTexts) else self.table.encode
        texts = self.usage.users(texts)
        base_ND = encode(texts)
        return torch.cat([self._users(base_ND), self.estimate.of_texts(base_ND, texts)[1]], dim=1).float().cpu()

    def _users(self, mean_BD: Tensor) -> Tensor:
        return tilted_users(mean_BD + mean_BD @ self.head_DD)

    def _items(self, base_ND: Tensor) -> Tensor:
        return tilted_items(base_ND + base_ND @ self.head_DD, base_ND @ self.tilt_D)
