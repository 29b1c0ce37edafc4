"""User and item read together by one text model, for ratings and clicks.

R pairs of user and item, B batch rows, N items, U users, I items, S entries shown, D text vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import Batch, Choices, Context, Encoder, Histories, Range, TrainingData
from reccli.errors import ConfigError, DamagedArtifactError
from reccli.nn.evidence import Evidence, Seen
from reccli.nn.pair_tokens import PairTokens
from reccli.nn.text_folder import find_model, model_label
from reccli.nn.text_items import item_texts
from reccli.nn.text_reading import model_start, reading_determinants
from reccli.nn.text_source import TextSource
from reccli.nn.text_tastes import TextTastes
from reccli.nn.text_tower import check_mode
from reccli.nn.text_training import TextTraining, trunk_groups
from reccli.nn.text_usage import usage_of

__all__ = ["BertCross"]

ROWS_ON_CPU = 8192
SAMPLED = 20_000
LIKED = 0.5


class BertCross(Encoder):
    """Read what a user says and knows together with an item's text, and predict what a simpler model leaves.

    ::

        prediction_ui = simple_ui + a evidence_ui + v . state(user_u [SEP] text_i)

    with `simple` for ratings the product of the vectors, tastes over texts (`reccli.nn.text_tastes`), and for clicks
    the biases `m + b_u + b_i` that the training model learns; `state` the pooled vector of the text model over both
    texts, `v` the task's head (from 0), and `evidence` what the user's ratings of items with similar texts leave
    (`reccli.nn.evidence`), with `a` from a least-squares fit on training rows. A user's text is the user's own, if
    there is one, and the entries of the history that are most like the item, each marked `liked`, `knows` or
    `disliked`. The row's own item is never among them.

    Args:
        settings.train: What is trained besides the head; `auto` is the last 2 layers.
        settings.rows: Training rows of an epoch.
        settings.shown: S, 2 to 8; the time of a step grows with it.
        settings.tastes: F, 128 to 512; 0 for biases in their place.

    Shapes:
        scores(users, items) R; users(batch) BD and items(codes) ND, D = F + 2, or without tastes one zero.

    Raises:
        ConfigError: The task is ranking.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        What is read together is in no vector, so that stored vectors hold the simpler model alone, and ranking by them
        ranks by this. On the CPU an epoch is a random part of the rows: reading pairs costs some milliseconds each.

    Paper:
        Nogueira, Cho: Passage Re-ranking with BERT, 2019, https://arxiv.org/abs/1901.04085 (two texts read as one).
        Koren: Factor in the Neighbors, TKDD 4(1), 2010, https://doi.org/10.1145/1644873.1644874 (neighbours).

    Pairs well with:
        `mse` for ratings, `bce` for clicks.

    Example:
        >>> BertCross.Settings(shown=2).shown
        2
    """

    class Settings(TextTraining):
        """Settings of `bert-cross`."""

        path: str = ""
        """Folder of the text model, or a hub name with `--online`; pretrained or the offline default without one."""
        train: str = Field(default="auto", pattern=r"^(auto|head|lora|all|last-[1-9]\d{0,2})$")
        """What is trained: `head`, `lora`, `last-N` layers, `all`, or `auto`."""
        pooling: Literal["auto", "mean", "cls", "last"] = "auto"
        """How tokens become a vector; `auto` is what the model's folder says, else the mean."""
        shown: Annotated[int, Choices((2, 4, 8))] = Field(default=4, ge=0, le=64)
        """Entries of the history that are read, the most similar ones."""
        nearest: int = Field(default=20, ge=1)
        """Entries of the history that evidence is taken from: 10 to 50."""
        temperature: Annotated[float, Range(0.05, 0.5, log=True)] = Field(default=0.1, gt=0)
        """How fast evidence falls with the cosine: 0.05 to 0.2."""
        max_length: int = Field(default=128, ge=16, le=8192)
        """Tokens of a pair."""
        item_length: int = Field(default=32, ge=1)
        """Tokens of the item's text that count."""
        entry_length: int = Field(default=16, ge=1)
        """Tokens of an entry's text that count."""
        text_batch: int = Field(default=64, ge=1)
        """Pairs read at a time."""
        rows: int | None = Field(default=None, ge=0)
        """Training rows of an epoch, drawn at random; 0 for all. Without it 8,192 on the CPU, all on CUDA."""

        tastes: int = Field(default=256, ge=0)
        """For ratings: features of texts that a user's tastes are over, 128 to 512; 0 for biases in their place."""

    needs: ClassVar[frozenset[str]] = frozenset({"history"})
    joint: ClassVar[bool] = True
    serves_new_users: bool = True
    default_loss: ClassVar[str] = "mse"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "dot",
        "learning_rate": 1e-3,
        "epochs": 4,
        "batch_size": 64,
        "patience": 2,
    }

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the text model, where none is named."""
        return model_start(self.settings.path, offered)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the text model, tokenise all texts, and fit the weight of the evidence."""
        if data.task == "ranking":
            raise ConfigError(
                "encoder 'bert-cross' predicts ratings or clicks, and the task is ranking",
                hint="reccli prepare --task rating, or --encoder bert",
            )
        given = self.settings
        folder = find_model(given.path, pretrained=context.pretrained, online=context.online)
        self.n_items, self._context, self.mode = data.n_items, context, self._mode()
        usage = usage_of(folder, pooling=given.pooling)
        self.source = TextSource(
            folder,
            mode=self.mode,
            pooling=usage.pooling,
            max_length=given.max_length,
            batch=given.text_batch,
            seed=context.derived_seed("bert-cross.adapters"),
            training=given,
            device=context.device,
            cache=context.cache,
            say=context.say,
        )
        texts = item_texts(data, context)
        self.evidence = Evidence(
            data.train, self._unit(data, texts), nearest=given.nearest, temperature=given.temperature, shown=given.shown
        )
        tower = self.source.tower
        self.pairs = PairTokens(
            tower.tokenizer,
            texts,
            data.user_text_U,
            item_length=given.item_length,
            entry_length=given.entry_length,
            max_length=tower.max_length,
        )
        self._learn_tastes(data, texts, context)
        self.trunk = tower.trained_as_state()
        self.register_buffer("digest_32", torch.frombuffer(bytearray.fromhex(tower.digest), dtype=torch.uint8))
        self.register_load_state_dict_pre_hook(_before_load)  # type: ignore[no-untyped-call]
        self.head_D = nn.Parameter(torch.zeros(tower.size))
        self.weight = nn.Parameter(torch.tensor(0.0 if context.restoring else self._fit(data.train)))
        self.n_rows = len(data.train)
        self._chosen_E: Tensor | None = None
        if not context.restoring:
            some, everything = tower.counts()
            context.say(
                f"bert-cross: {model_label(folder)} reads pairs, {some / 1e6:.1f} M of {everything / 1e6:.1f} M "
                f"weights trained; evidence of similar items counts {float(self.weight.detach()):.2f}"
            )

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and what `auto` means here."""
        read = reading_determinants(self.settings.path, self.settings.pooling, context)
        return read | {"train": self._mode(), "rows": str(self._rows(context))}

    def begin_epoch(self, epoch: int) -> None:
        """Draw the rows of this epoch: a function of seed and epoch alone."""
        rows = self._rows(self._context)
        self._chosen_E = None
        if rows is not None and rows < self.n_rows:
            generator = self._context.generator(f"bert-cross rows of epoch {epoch}")
            chosen_E = torch.zeros(self.n_rows, dtype=torch.bool)
            chosen_E[torch.randperm(self.n_rows, generator=generator)[:rows]] = True
            self._chosen_E = chosen_E

    def rows_of_epoch(self) -> Tensor | None:
        """Return the rows that were drawn."""
        return self._chosen_E

    def users(self, batch: Batch) -> Tensor:
        """Return tastes, BD, without the row's own rating, or one zero."""
        return self.head_D.new_zeros(len(batch), 1) if self.tastes is None else self.tastes.of_rows(batch)

    def items(self, item_N: Tensor) -> Tensor:
        """Return what tastes are over, ND, or one zero."""
        return self.head_D.new_zeros(len(item_N), 1) if self.tastes is None else self.tastes.of_items(item_N)

    def scores(self, user_R: Tensor, item_R: Tensor, histories: Histories | None = None) -> Tensor:
        """Return what both together say beyond the simpler model, R."""
        seen = self.evidence(user_R, item_R, histories)
        if not torch.is_grad_enabled() and not bool(self.head_D.any()):
            told_R: Tensor = self.weight * seen.evidence_R  # before the first step what is read is multiplied by 0
            return told_R
        known = self.evidence.train_histories if histories is None else histories
        named_R = user_R.cpu().numpy()
        if known.n_users != self.pairs.n_users:  # users who came after training have no texts of their own
            named_R = np.full_like(named_R, self.pairs.n_users)
        tower = self.source.tower
        tokens = self.pairs.tokens(named_R, item_R.cpu().numpy(), *self._shown(seen, known))
        state_RD = tower.encode(tokens, np.arange(len(named_R)), micro_batch=self.micro_batch)
        score_R: Tensor = self.weight * seen.evidence_R + state_RD @ self.head_D
        return score_R

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the head and the weight of the evidence, and the text model at a rate of its own."""
        yield {"params": [self.head_D, self.weight], "lr_scale": 1.0}
        if self.mode != "frozen":
            model = self.source.tower.model
            yield from trunk_groups(model, self.trunk.values(), mode=self.mode, training=self.settings)

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return tastes, UD on the CPU, or one zero."""
        return torch.zeros(histories.n_users, 1) if self.tastes is None else self.tastes.of_histories(histories).cpu()

    def warm_items(self) -> Tensor:
        """Return all items: texts stand for those nobody met."""
        return torch.ones(self.n_items, dtype=torch.bool)

    def train(self, mode: bool = True) -> BertCross:
        """Switch dropout, in the text model only where it is trained."""
        super().train(mode)
        source = getattr(self, "source", None)
        if source is not None and source.opened is not None:
            source.opened.train(mode and self.mode != "frozen")
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        source = getattr(self, "source", None)
        if source is not None and source.opened is not None:
            source.opened._apply(fn)
        return self

    def _mode(self) -> str:
        train = "last-2" if self.settings.train == "auto" else self.settings.train
        return "frozen" if train == "head" else check_mode(train)

    def _rows(self, context: Context) -> int | None:
        if self.settings.rows is None:
            return None if context.device.startswith("cuda") else ROWS_ON_CPU
        return self.settings.rows or None

    def _learn_tastes(self, data: TrainingData, texts: list[str], context: Context) -> None:
        """Solve the simpler model of ratings, beside whose vectors no biases are learned."""
        self.own_biases = data.task == "rating" and self.settings.tastes > 0
        self.tastes = TextTastes(data.train) if self.own_biases else None
        if self.tastes is not None and not context.restoring:
            self.tastes.fit(self.evidence.unit_IT, texts, dim=self.settings.tastes, context=context)

    def _unit(self, data: TrainingData, texts: list[str]) -> Tensor:
        """Return centred text vectors of the model as its folder has it, of unit length."""
        vector_ID = torch.from_numpy(self.source.vectors(texts))
        warm_I = torch.from_numpy(data.item_count_I() > 0)
        return functional.normalize(vector_ID - vector_ID[warm_I].mean(0), dim=1)

    def _shown(self, seen: Seen, known: Histories) -> tuple[np.ndarray, np.ndarray]:
        """Return the items of the entries shown, -1 for none, and their marks."""
        entry_RS, left_RS = seen.entry_RS.cpu().numpy(), seen.left_RS.cpu().numpy()
        item_RS = np.where(entry_RS >= 0, known.item_E[entry_RS.clip(min=0)] if len(known) else -1, -1)
        spread = LIKED * float(self.evidence.train_histories.value_E.std())
        return item_RS, 1 + (left_RS > spread).astype(np.int64) - (left_RS < -spread)

    @torch.no_grad()
    def _fit(self, train: Histories) -> float:
        """Return the least-squares weight of the evidence on training rows, each without itself."""
        drawn = self._context.numpy_generator("bert-cross fit").permutation(len(train))[:SAMPLED]
        user_R, item_R = torch.from_numpy(train.user_E[drawn]), torch.from_numpy(train.item_E[drawn])
        seen = self.evidence(user_R, item_R)
        left_R = torch.from_numpy(train.value_E[drawn]) - self.evidence.mean
        if self.tastes is None:
            left_R = left_R - self.evidence.bias_I[item_R] - seen.bias_R
        else:
            batch = Batch(torch.from_numpy(drawn), user_R, item_R, left_R, torch.ones_like(left_R))
            left_R = left_R - (self.tastes.of_rows(batch) * self.tastes.of_items(item_R)).sum(1)
        return float((seen.evidence_R @ left_R) / (seen.evidence_R @ seen.evidence_R).clamp_min(1e-9))


def _before_load(encoder: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    stored = state.get(f"{prefix}digest_32")
    if stored is not None and not torch.equal(stored.cpu(), encoder.digest_32.cpu()):
        raise DamagedArtifactError(
            f"text model {encoder.source.folder} is not the one that this run was trained with",
            hint="give the old folder with --encoder-path, or train anew: reccli finetune --force",
        )
