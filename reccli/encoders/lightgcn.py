"""LightGCN: vectors smoothed over the graph of interactions.

U users, I items, B rows, N items asked for, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, TrainingData, Walk
from reccli.nn.propagation import Propagation
from reccli.nn.tables import first_vectors, look_up, user_item_tables

__all__ = ["LightGCN"]


class LightGCN(Encoder):
    """Learn a vector for each user and item, and average it with what its neighbours in the graph have.

    ::

        [user; item] = 1 / (L + 1) * sum over l = 0..L of A^l [p; q]

    with `p`, `q` trained tables (`user_UD`, `item_ID`), `A` the symmetrically normalised graph of interactions, and `L`
    the layers.

    Args:
        settings.dim: Length of the vectors, 32 to 256.
        settings.layers: L, 1 to 4.
        settings.start: `spectrum`, `random`, or `auto`: random for ratings and labels, else the spectrum.
        settings.std: Typical entry of the tables at the start, 0.01 to 0.1.

    Shapes:
        batch -> BD; items -> ND.

    Notes:
        The graph is walked once per step, whatever the batch size: large batches are cheap. The start from the spectrum
        is most of what training would find, in seconds.

    Paper:
        He, Deng, Wang, Li, Zhang, Wang: LightGCN, SIGIR 2020, https://arxiv.org/abs/2002.02126, equations 3 to 5.

    Pairs well with:
        `infonce` and `bpr` with `uniform` negatives; `softmax` on small catalogues. The auxiliary tasks `sgl`,
        `simgcl`, `xsimgcl` and `ncl`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 1], [0, 1], n_users=2, n_items=2))
        >>> encoder = LightGCN(LightGCN.Settings(dim=4, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `lightgcn`."""

        dim: Annotated[int, Choices((64, 128, 256))] = Field(default=128, ge=1)
        """Length of the vectors: 32 to 256."""
        layers: Annotated[int, Choices((1, 2, 3))] = Field(default=2, ge=0, le=8)
        """How often vectors are propagated: 1 to 4."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the tables start from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    views: frozenset[str] = frozenset({"graph"})
    grouped: ClassVar[bool] = True
    one_vector_per_user: bool = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "in-batch"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 40,
        "batch_size": 16384,
        "learning_rate": 0.005,
        "average": 0.9,
        "patience": 5,
        "loss.temperature": 0.1,
        "loss.log_q": True,
        "small": {"loss": "softmax"},
    }

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the tables start from."""
        return first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the tables and the graph."""
        self.n_items = data.n_items
        given = self.settings
        self.user_UD, self.item_ID = user_item_tables(
            data, context, given.dim, start=given.start, std=given.std, name="lightgcn"
        )
        self.propagation = Propagation(data.train, given.layers)
        self._walk: Walk | None = None
        self._ends: tuple[Tensor, Tensor] | None = None

    def begin_step(self) -> None:
        """Propagate over the graph; the layers are kept for auxiliary tasks alone."""
        self.end_step()  # before there are new ones: each is as large as the tables
        if self.training and (self.keeps_walk or self.disturb is not None):
            walk = self.walk()
            self._ends = walk.mean_VD[: walk.n_users], walk.mean_VD[walk.n_users :]
        else:
            self._ends = self.propagation(self.user_UD, self.item_ID)

    def end_step(self) -> None:
        """Drop what was propagated: gradients need the tables and the graph alone."""
        self._walk = self._ends = None

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        """Return the tables and what each layer makes of them."""
        if step is not None:
            return self.propagation.walk(self.user_UD, self.item_ID, step=step)
        if self._walk is None:
            disturb = self.disturb if self.training else None
            self._walk = self.propagation.walk(self.user_UD, self.item_ID, disturb=disturb)
        return self._walk

    def users(self, batch: Batch) -> Tensor:
        """Return the propagated rows of the batch's users, BD."""
        return look_up(self._now()[0], batch.user_B)

    def items(self, item_N: Tensor) -> Tensor:
        """Return propagated rows by code, ND."""
        return look_up(self._now()[1], item_N)

    def all_items(self) -> Tensor:
        """Return all propagated item rows, ID."""
        return self._now()[1]

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the tables of users and items."""
        return [self.user_UD, self.item_ID]

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the rows of the tables, before propagation, of the batch's users and positives."""
        return [look_up(self.user_UD, batch.user_B), look_up(self.item_ID, batch.item_B)]

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the propagated user rows, UD."""
        self.begin_step()
        user_UD = self._now()[0].float().cpu()
        self.end_step()
        return user_UD

    def _now(self) -> tuple[Tensor, Tensor]:
        if self._ends is None:
            self.begin_step()
        if self._ends is None:
            raise RuntimeError("begin_step propagated nothing")
        return self._ends
