"""Matrix factorisation: a vector for each user and each item.

U users, I items, B rows, N items asked for, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.nn.tables import first_vectors, look_up, user_item_tables

__all__ = ["MF"]


class MF(Encoder):
    """Learn one vector for each user and one for each item.

    ::

        user_u = p_u        item_i = q_i

    with `p_u` and `q_i` rows of two trained tables (`user_UD`, `item_ID`).

    Args:
        settings.dim: Length of the vectors, 32 to 512.
        settings.start: `spectrum` (singular vectors of the interactions), `random`, or `auto`: random for ratings and
            labels, else the spectrum.
        settings.std: Typical entry at the start, 0.01 to 0.1.

    Shapes:
        batch -> BD; items -> ND.

    Notes:
        Users who come after training cannot be served; `history` serves them. Under a cosine the step relative to the
        start's typical entry (learning rate / `std`) is what counts: 0.005 to 0.05 keeps what the spectrum knows.

    Paper:
        Koren, Bell, Volinsky: Matrix Factorization Techniques for Recommender Systems, IEEE Computer 42(8), 2009,
        https://doi.org/10.1109/MC.2009.263. The start: Shen et al., CIKM 2021, https://arxiv.org/abs/2108.07567.

    Pairs well with:
        `bpr`, `infonce`, `softmax`; `mse` on ratings (the training model adds mean and biases).

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 1], [0, 1], n_users=2, n_items=2))
        >>> encoder = MF(MF.Settings(dim=4, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `mf`."""

        dim: Annotated[int, Choices((64, 128, 256))] = Field(default=128, ge=1)
        """Length of the vectors: 32 to 512."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the tables start from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    grouped: ClassVar[bool] = True
    one_vector_per_user: bool = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "in-batch"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 60,
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
        """Build the two tables."""
        self.n_items = data.n_items
        given = self.settings
        self.user_UD, self.item_ID = user_item_tables(
            data, context, given.dim, start=given.start, std=given.std, name="mf"
        )

    def users(self, batch: Batch) -> Tensor:
        """Return the rows of the batch's users, BD."""
        return look_up(self.user_UD, batch.user_B)

    def items(self, item_N: Tensor) -> Tensor:
        """Return rows by code, ND."""
        return look_up(self.item_ID, item_N)

    def all_items(self) -> Tensor:
        """Return the item table, ID."""
        return self.item_ID

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the tables of users and items."""
        return [self.user_UD, self.item_ID]

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the batch's users and positives."""
        return [look_up(self.user_UD, batch.user_B), look_up(self.item_ID, batch.item_B)]

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the user table, UD."""
        return self.user_UD.detach().float().cpu()
