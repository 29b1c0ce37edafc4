"""Conformance of pre-training objectives. B rows of a batch, I items, U users."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reccli.api import Context, LossOutput, Objective, Pretrained, TrainingData
from reccli.testing.conformance import Conformance
from reccli.testing.worlds import checkerboard

__all__ = ["ObjectiveConformance"]


class ObjectiveConformance(Conformance):
    """Every check of an objective.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with (small sizes keep the checks fast).
    """

    kind = "objective"

    def data(self) -> TrainingData:
        """Return the data that it is set up with; override for an objective that needs more."""
        return checkerboard(users=12, items=10).data

    def context(self) -> Context:
        """Return the context that it is set up in; override for an objective that needs a folder or the network."""
        return Context(seed=7)

    def test_is_an_objective(self) -> None:
        """It is a subclass of `reccli.api.Objective`, and `data()` meets its needs."""
        self.expect(issubclass(self.component_class, Objective), "not a subclass of reccli.api.Objective")
        missing = self.component_class.needs - self.data().provides()
        self.expect(not missing, f"needs {sorted(missing)}, which data() of the test does not provide")

    def test_training_rows(self) -> None:
        """A closed form has no rows; a trained one has some, and one finite value per row with finite gradients."""
        _, objective = self._ready()
        if self.component_class.closed_form:
            self.expect(objective.n_rows == 0, f"a closed form has {objective.n_rows} training rows")
            return
        self.expect(objective.n_rows > 0, "no training rows")
        row_B = torch.arange(min(4, objective.n_rows))
        output = objective.loss(row_B)
        self.expect(isinstance(output, LossOutput), f"loss returned {type(output).__name__}, not LossOutput")
        self.expect(output.value_B.shape == row_B.shape, f"values of shape {tuple(output.value_B.shape)}")
        total = output.total(torch.ones(len(row_B)))
        self.expect(bool(total.isfinite()), f"the loss is {total.detach()}")
        total.backward()
        gradients = [p.grad for p in objective.parameters() if p.grad is not None]
        self.expect(any(bool(gradient.any()) for gradient in gradients), "no parameter gets a gradient")
        self.expect(all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient is not finite")

    def test_parameter_groups(self) -> None:
        """The optimiser's groups hold every trained parameter once."""
        _, objective = self._ready()
        if self.component_class.closed_form:
            return
        grouped = [id(parameter) for group in objective.parameter_groups() for parameter in group["params"]]
        trained = {id(parameter): name for name, parameter in objective.named_parameters() if parameter.requires_grad}
        left = sorted(name for key, name in trained.items() if key not in grouped)
        self.expect(not left, f"parameter '{left[0] if left else ''}' is in no group")
        self.expect(len(grouped) == len(set(grouped)), "a parameter is in two groups")

    def test_begin_epoch_repeats(self) -> None:
        """Beginning an epoch a second time, as a resumed run does, leaves the held-out metrics as they are."""
        _, objective = self._ready()
        if self.component_class.closed_form:
            return
        objective.eval()
        objective.begin_epoch(1)
        first = objective.held_out()
        objective.begin_epoch(1)
        self.expect(objective.held_out() == first, f"held-out metrics were {first}, then {objective.held_out()}")

    def test_finish(self) -> None:
        """Features have I or U rows of finite float32, weights are tensors, metrics are numbers."""
        data, objective = self._ready()
        got = objective.finish()
        self.expect(isinstance(got, Pretrained), f"finish returned {type(got).__name__}, not Pretrained")
        self.expect(bool(got.item_features or got.user_features or got.weights), "hands nothing to fine-tuning")
        for rows, features in ((data.n_items, got.item_features), (data.n_users, got.user_features)):
            for name, array in features.items():
                right = array.ndim == 2 and len(array) == rows and array.dtype == np.float32
                self.expect(right, f"feature '{name}' is {array.dtype} of shape {array.shape}, rows should be {rows}")
                self.expect(bool(np.isfinite(array).all()), f"feature '{name}' is not finite")
        for name, tensor in got.weights.items():
            self.expect(isinstance(tensor, torch.Tensor), f"weight '{name}' is {type(tensor).__name__}")
        for name, value in got.metrics.items():
            self.expect(isinstance(value, float | int), f"metric '{name}' is {type(value).__name__}")

    def test_seed_decides(self) -> None:
        """Two of one seed finish with the same, whatever torch's own generator is."""
        results = []
        with torch.random.fork_rng(devices=[]):
            for state in (1, 2):
                torch.manual_seed(state)
                results.append(self._ready()[1].finish())
        first, second = results
        for name, array in first.item_features.items():
            self.expect(np.allclose(array, second.item_features[name], atol=1e-5), f"feature '{name}' differs")
        for name, tensor in first.weights.items():
            self.expect(torch.allclose(tensor, second.weights[name], atol=1e-5), f"weight '{name}' differs")

    def _ready(self) -> tuple[TrainingData, Any]:
        data, objective = self.data(), self.build()
        objective.setup(data, self.context())
        return data, objective
