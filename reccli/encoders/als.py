"""Matrix factorisation of implicit feedback by alternating least squares. U users, I items, R factors."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.nn.alternating import Objective, Rows, Side, factorise, solve
from reccli.nn.bounds import Positive, Power
from reccli.nn.climbing import climb
from reccli.nn.held_out import ndcg
from reccli.nn.sparse_choice import Trial, trial

__all__ = ["Als"]

LADDERS = {
    "l2": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    "unobserved": (0.01, 0.03, 0.1, 0.3, 1.0),
    "power": (0.0, 0.25, 0.5, 0.75, 1.0),
}
MIDDLE = Objective(unobserved=0.1, l2=4.0, power=0.5)
FINE = (0.6, 0.8, 1.0, 1.25, 1.6)
"""Steps of the penalty in the end, around the best of its ladder."""
START = 0.1
CHOOSING_SWEEPS = 4
CHOOSING_USERS = 4096


class Als(Encoder):
    r"""Fit vectors of users and items to what is there and, with less weight, to zeros where nothing is.

    ::

        sum over observed (u, i) of w_ui (1 - x_u . y_i)^2 + a sum over all u, i of (x_u . y_i)^2
            + sum over u of l_u |x_u|^2 + sum over i of l_i |y_i|^2

        l_u = l f_u^v / mean f^v    with f_u = sum of w_ui over u's row + a I, of items likewise; the mean is over both

    with `w` the weights of the interactions, `a` `settings.unobserved`, `l` `settings.l2` and `v` `settings.power`. A
    sweep solves for all users with items fixed, then for all items, each exactly. A user of any history, later ones
    too, is the same solution for that history.

    Args:
        settings.rank: Factors, 32 to 512.
        settings.sweeps: Sweeps over users and items, 4 to 16.
        settings.unobserved: Weight of every pair beside an observed one's of 1: 0.01 to 1, or `auto`.
        settings.l2: Mean penalty of a row: 0.5 to 32, or `auto`.
        settings.power: How much more a row with much weight is held back: 0 to 1, or `auto`.

    Shapes:
        histories -> UR; items -> IR.

    Notes:
        Nothing is trained, and users who come later are served from their history. Items start at random, of length
        0.1 (the spectrum of the interactions is no more than a sweep ahead, and costs several). `auto` holds a tenth of
        the training rows out (the newest where there is an order), climbs one setting after another, and compares by
        NDCG@20 after a few sweeps; validation and test parts are never seen. The penalty is given as its mean over
        rows, so that its best value depends little on the power, the weight of unobserved pairs and the size of the
        data. The first paper has v = 0 and weighs observed pairs 1 + alpha, others 1: `unobserved` is 1 / alpha. Items
        without interactions get zeros.

    Paper:
        Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008,
        https://doi.org/10.1109/ICDM.2008.22, equations 3 to 5. Penalties by frequency: Rendle, Krichene, Zhang, Koren:
        Revisiting the Performance of iALS on Item Recommendation Benchmarks, RecSys 2022,
        https://arxiv.org/abs/2110.14037, equations 3 to 5.

    Pairs well with:
        Nothing: it has no loss.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Als(Als.Settings(rank=2, unobserved=0.1, l2=0.5, power=0.5))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 2), (2, 2))
    """

    class Settings(ComponentSettings):
        """Settings of `als`."""

        rank: Annotated[int, Choices((64, 128, 256, 512))] = Field(default=256, ge=1)
        """Factors: 32 to 512."""
        sweeps: int = Field(default=8, ge=1, le=100)
        """Sweeps over users and items: 4 to 16."""
        unobserved: Annotated[Positive | Literal["auto"], Choices(("auto", *LADDERS["unobserved"]))] = "auto"
        """Weight of every pair beside an observed one's of 1: 0.01 to 1, or `auto`."""
        l2: Annotated[Positive | Literal["auto"], Choices(("auto", *LADDERS["l2"]))] = "auto"
        """Mean penalty of a row: 0.5 to 32, or `auto`."""
        power: Annotated[Power | Literal["auto"], Choices(("auto", *LADDERS["power"]))] = "auto"
        """How much more a row with much weight is held back: 0 to 1, or `auto`."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_IR: Tensor
    gram_R: Tensor
    fold: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then factorise all training rows."""
        self.n_items, self._context = data.n_items, context
        self._keep((Side(torch.zeros(data.n_items, 1), torch.zeros(1)), 1.0), MIDDLE)
        if context.restoring:
            return
        objective = self._choose(data)
        self._keep(self._fit(data.train, objective, self.settings.sweeps), objective)

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the solution for each history, UR on the CPU; zeros for those without interactions."""
        unobserved, power, factor = self.fold.tolist()
        rows = Rows.of(histories, self.item_IR.device)
        penalty_U = factor * rows.mass(unobserved) ** power
        return solve(rows, Side(self.item_IR, self.gram_R), penalty_U).cpu()

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_IR.cpu().square().sum(1) > 0

    def _keep(self, fitted: tuple[Side, float], objective: Objective) -> None:
        side, factor = fitted
        fold = torch.tensor([objective.unobserved, objective.power, factor], dtype=torch.float64)
        self.register_buffer("item_IR", side.vector_IR.cpu())
        self.register_buffer("gram_R", side.gram_R.cpu())
        self.register_buffer("fold", fold)

    def _start(self) -> Tensor:
        """Return small random items, whose scores are far below 1."""
        shape = (self.n_items, self.settings.rank)
        drawn_IR = self._context.numpy_generator("als").standard_normal(shape, np.float32)
        return torch.from_numpy(drawn_IR * np.float32(START / shape[1] ** 0.5)).to(self._context.device)

    @torch.no_grad()
    def _fit(self, histories: Histories, objective: Objective, sweeps: int) -> tuple[Side, float]:
        made = factorise(Rows.of(histories, self._context.device), self._start(), objective)
        return next(islice(made, sweeps - 1, None))

    def _choose(self, data: TrainingData) -> Objective:
        """Return what is given, and for what is not the best on training rows that are held out."""
        given = {name: value for name in LADDERS if (value := getattr(self.settings, name)) != "auto"}
        start = replace(MIDDLE, **given)
        free = {name: ladder for name, ladder in LADDERS.items() if name not in given}
        found = trial(data, self._context, "als", users=CHOOSING_USERS) if free else None
        if found is None:
            return start

        def measure(tried: Objective) -> float:
            return self._measure(found, tried)

        value, best = climb(start, free, measure)
        if "l2" in free:
            value, best = climb(best, {"l2": [best.l2 * step for step in FINE]}, measure, known={best: value})
        self._context.say(
            f"als: unobserved {best.unobserved:g}, l2 {best.l2:.3g}, power {best.power:g} chosen"
            f" (ndcg@20 {value:.4f} on held-out training rows)"
        )
        return best

    def _measure(self, found: Trial, objective: Objective) -> float:
        """Return the NDCG@20 of held-out rows after a few sweeps."""
        self._keep(self._fit(found.kept, objective, CHOOSING_SWEEPS), objective)
        item_IR = self.item_IR.numpy()
        (value,) = ndcg(
            self.export_users(found.seen).numpy(), item_IR, [item_IR.shape[1]], found.seen, found.relevant, k=20
        )
        return value
