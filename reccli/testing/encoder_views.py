"""What every check of an encoder stands on, and the checks of the views that it offers to auxiliary tasks.

U users, I items, D embedding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api import Context, Histories, TrainingData
from reccli.testing.conformance import Conformance
from reccli.testing.worlds import checkerboard

__all__ = ["EncoderViews", "other_item"]


class EncoderViews(Conformance):
    """The checks of `Encoder.views`; `EncoderConformance` has all of them.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with.
    """

    kind = "encoder"

    def data(self) -> TrainingData:
        """Return the data that it is set up with; override for an encoder that needs more."""
        return checkerboard(users=12, items=10, held_out=1).data

    def context(self) -> Context:
        """Return the context that it is set up in; override for an encoder that needs a folder or the network."""
        return Context(seed=7)

    def test_reads_histories(self) -> None:
        """With views of the `history`: `read` is `export_users` with gradients, and does not see what weighs 0.

        Where more is exported than is trained, `read` has the directions of the last numbers of each user.
        """
        data, encoder = self._ready()
        self.skip_unless("history" in encoder.views, "offers no views of histories")
        encoder.eval()
        read_UD = encoder.read(data.train)
        given_UD, exported_UD = read_UD.detach().cpu(), encoder.export_users(data.train)
        if exported_UD.shape[1] > given_UD.shape[1]:
            trained_UD = exported_UD[:, -given_UD.shape[1] :]
            given_UD, exported_UD = (functional.normalize(one_UD, dim=1) for one_UD in (given_UD, trained_UD))
        self._close(given_UD, exported_UD, "read() and export_users() differ")
        read_UD.square().sum().backward()
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        self.expect(any(bool(gradient.any()) for gradient in gradients), "read() gives no parameter a gradient")
        hidden = _without(data.train, row=2)
        with torch.no_grad():
            first_UD, second_UD = (
                encoder.read(one) for one in (hidden, other_item(replace(data, train=hidden), 2).train)
            )
        self._close(second_UD, first_UD, "read() sees an entry of weight 0")

    def test_walks(self) -> None:
        """With views of the `graph`: layers follow from each other by `step`, and a walk may go over another graph."""
        data, encoder = self._ready()
        self.skip_unless("graph" in encoder.views, "offers no views of a graph")
        encoder.eval()
        self._begin(encoder)
        walk = encoder.walk()
        self.expect(walk.n_users in (0, data.n_users), f"{walk.n_users} users in the walk of {data.n_users}")
        for layer_VD in walk.layers:
            self._vectors(layer_VD, walk.n_users + data.n_items, "a layer of walk()")
        for before_VD, after_VD in zip(walk.layers, walk.layers[1:], strict=False):
            self._close(walk.step(before_VD), after_VD, "a layer is not the step of the one before")
        self.expect(walk.mean_VD.requires_grad, "walk() carries no gradients")
        still = encoder.walk(torch.zeros_like)
        self._close(still.layers[0], walk.layers[0], "a walk over another graph starts elsewhere")
        self.expect(not bool(still.layers[-1].any()), "walk(step) does not walk by the step it is given")

    def _ready(self) -> tuple[TrainingData, Any]:
        data = self.data()
        return data, self._build_on(data)

    def _build_on(self, data: TrainingData) -> Any:
        encoder = self.build()
        encoder.setup(data, self.context())
        return encoder

    def _begin(self, encoder: Any) -> None:
        encoder.begin_epoch(0)
        encoder.begin_step()

    def _vectors(self, tensor: Tensor, rows: int, what: str) -> None:
        self.expect(tensor.ndim == 2 and len(tensor) == rows, f"{what}: {tuple(tensor.shape)}, not ({rows}, D)")
        self.expect(tensor.is_floating_point(), f"{what} is {tensor.dtype}")
        self.expect(bool(tensor.isfinite().all()), f"{what} has numbers that are not finite")

    def _close(self, got: Tensor, expected: Tensor, message: str) -> None:
        same = got.shape == expected.shape and torch.allclose(got.double(), expected.double(), rtol=1e-4, atol=1e-5)
        self.expect(same, message)


def other_item(data: TrainingData, row: int) -> TrainingData:
    """Return data in which a row has an item that its user has not met."""
    train = data.train
    user = int(train.user_E[row])
    met = train.item_E[train.offset_U1[user] : train.offset_U1[user + 1]]
    item_E = train.item_E.copy()
    item_E[row] = np.setdiff1d(np.arange(train.n_items), met)[0]
    return replace(data, train=replace(train, item_E=item_E))


def _without(train: Histories, row: int) -> Histories:
    weight_E = train.weight_E.copy()
    weight_E[row] = 0
    return replace(train, weight_E=weight_E)
