"""A low-rank linear autoencoder without its diagonal. U users, I items, R components, B users of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, Range, TrainingData
from reccli.nn.bounds import Count
from reccli.nn.held_out import ndcg
from reccli.nn.sparse_choice import trial
from reccli.nn.spectral import fold_in, spectrum

__all__ = ["Elsa"]

MOST_EPOCHS = 20
PATIENCE = 3
MOST_SCORES = 1 << 24
"""Users times items of a batch."""
CHOOSING_USERS = 4096


class Elsa(Encoder):
    """Predict a history from itself through few components, with an item never predicting itself.

    ::

        A = argmin sum over users of | x / |x| - y / |y| |^2        y = x (A A^T - 1), rows of A of length 1
        user = sum over the history of a_j        item_i = a_i

    with `x` a user's weighted interactions and `a_i` item i's row of A. The unit matrix, which takes the diagonal out,
    only reaches items of the history, so that the product of user and item is the score of all others.

    Args:
        settings.rank: Components, 64 to 1,024.
        settings.epochs: Passes over the users, 1 to 20, or `auto` to stop where held-out rows say.
        settings.learning_rate: Step of NAdam, 0.001 to 0.1.
        settings.batch_size: Users a step, 128 to 2,048; fewer where users times items pass 16 million.

    Shapes:
        histories -> UR; items -> IR.

    Notes:
        It trains itself, without a loss or sampler, in memory that grows with items times components; users who come
        later are served from their history. The paper starts at random; here the start is the spectrum. `auto` holds
        a tenth of the training rows out (the newest where there is an order) and compares epochs by NDCG@20;
        validation and test parts are never seen. Items without interactions get zeros.

    Paper:
        Vančura, Alves, Kasalický, Kordík: Scalable Linear Shallow Autoencoder for Collaborative Filtering, RecSys 2022,
        https://doi.org/10.1145/3523227.3551482, equations 3 to 6.

    Pairs well with:
        Nothing: it has its own loss.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Elsa(Elsa.Settings(rank=2, epochs=1))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 2), (2, 2))
    """

    class Settings(ComponentSettings):
        """Settings of `elsa`."""

        rank: Annotated[int, Choices((64, 128, 256, 512))] = Field(default=256, ge=1)
        """Components: 64 to 1,024."""
        epochs: Count | Literal["auto"] = "auto"
        """Passes over the users: 1 to 20, or `auto` to choose on held-out training rows."""
        learning_rate: Annotated[float, Range(0.002, 0.05, log=True)] = Field(default=0.01, gt=0.0)
        """Step of NAdam: 0.001 to 0.1."""
        batch_size: int = Field(default=512, ge=1)
        """Users a step: 128 to 2,048."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_IR: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose the number of passes, then train on all training rows."""
        self.n_items = data.n_items
        self.register_buffer("item_IR", torch.zeros(data.n_items, 1))
        if context.restoring:
            return
        epochs = self._choose(data, context) if self.settings.epochs == "auto" else int(self.settings.epochs)
        item_IR = self._start(data.train, context)
        for trained_IR in self._epochs(data.train, item_IR, epochs, context):
            item_IR = trained_IR
        self.item_IR = item_IR

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR."""
        return torch.from_numpy(fold_in(histories, self.item_IR.cpu().numpy()))

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_IR.cpu().square().sum(1) > 0

    def _start(self, histories: Histories, context: Context) -> Tensor:
        """Return the spectrum, rows of length 1."""
        found = spectrum(histories, self.settings.rank, generator=context.numpy_generator("elsa start"))
        scaled_IR = torch.from_numpy(found.item_IR * np.sqrt(found.value_R))
        return functional.normalize(scaled_IR, dim=1)

    def _epochs(self, histories: Histories, item_IR: Tensor, epochs: int, context: Context) -> Iterator[Tensor]:
        """Train and yield the vectors after each pass over the users."""
        raw_IR = item_IR.to(context.device).clone().requires_grad_()
        optimiser = torch.optim.NAdam([raw_IR], lr=self.settings.learning_rate)
        user_U = np.flatnonzero(histories.length_U > 1)
        size = max(1, min(self.settings.batch_size, MOST_SCORES // max(1, self.n_items)))
        generator = context.numpy_generator("elsa order")
        for _ in range(epochs):
            order_U = generator.permutation(user_U)
            for low in range(0, len(order_U), size):
                rows = histories.rows(np.sort(order_U[low : low + size])).to_scipy("weight").toarray()
                loss = reconstruction_loss(torch.from_numpy(rows).to(context.device), raw_IR)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            yield functional.normalize(raw_IR.detach(), dim=1).cpu()

    def _choose(self, data: TrainingData, context: Context) -> int:
        found = trial(data, context, "elsa", users=CHOOSING_USERS)
        if found is None:
            return PATIENCE
        best, since = (-1.0, 0), 0
        start_IR = self._start(found.kept, context)
        for epoch, item_IR in enumerate(self._epochs(found.kept, start_IR, MOST_EPOCHS, context), 1):
            table: npt.NDArray[np.float32] = item_IR.numpy()
            (value,) = ndcg(fold_in(found.seen, table), table, [table.shape[1]], found.seen, found.relevant, k=20)
            best, since = ((value, epoch), 0) if value > best[0] else (best, since + 1)
            if since == PATIENCE:
                break
        context.say(f"elsa: {best[1]} epochs chosen (ndcg@20 {best[0]:.4f} on held-out training rows)")
        return best[1]


def reconstruction_loss(history_BI: Tensor, raw_IR: Tensor) -> Tensor:
    """Return the mean over users of `| x / |x| - y / |y| |^2`, y = x (A A^T - 1), A the rows brought to length 1."""
    unit_IR = functional.normalize(raw_IR, dim=1)
    predicted_BI = (history_BI @ unit_IR) @ unit_IR.T - history_BI
    difference_BI = functional.normalize(history_BI, dim=1) - functional.normalize(predicted_BI, dim=1)
    return difference_BI.square().sum(1).mean()
