"""Conformance of auxiliary tasks. B rows of a batch, V vertices, D embedding."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from reccli import registry
from reccli.api import Auxiliary, Batch, Context, TrainingData
from reccli.testing.conformance import Conformance
from reccli.testing.inputs import batch_of
from reccli.testing.worlds import checkerboard

__all__ = ["AuxiliaryConformance"]

ENCODERS = {"graph": "lightgcn", "history": "history"}


class AuxiliaryConformance(Conformance):
    """Every check of an auxiliary task.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with (small sizes keep the checks fast).
        encoder: Name of the encoder whose views are contrasted; one that offers them without a name.
        encoder_settings: Its settings.
    """

    kind = "aux"
    encoder: ClassVar[str | None] = None
    encoder_settings: ClassVar[dict[str, Any]] = {"dim": 8, "start": "random"}

    def data(self) -> TrainingData:
        """Return the data that it is set up with; override for a task that needs more."""
        return checkerboard(users=12, items=10).data

    def test_is_an_auxiliary_task(self) -> None:
        """It is a subclass of `reccli.api.Auxiliary`, asks for views that exist, and has a weight above 0."""
        cls = self.component_class
        self.expect(issubclass(cls, Auxiliary), "not a subclass of reccli.api.Auxiliary")
        self.expect(cls.views in ENCODERS, f"views are '{cls.views}'; there are {', '.join(ENCODERS)}")
        self.expect(cls.default_weight > 0, f"default_weight is {cls.default_weight}")

    def test_a_finite_scalar_with_gradients(self) -> None:
        """A batch gives one finite number, and the encoder's parameters get finite gradients of it."""
        encoder, task = self._ready()
        value = self._value(encoder, task, self._batch())
        self.expect(value.ndim == 0, f"a value of shape {tuple(value.shape)}, not a scalar")
        self.expect(bool(value.isfinite()), f"the value is {value.detach()}")
        value.backward()
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        self.expect(any(bool(gradient.any()) for gradient in gradients), "no parameter of the encoder gets a gradient")
        self.expect(all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient is not finite")

    def test_a_batch_of_one_row(self) -> None:
        """A batch of one row, which leaves nothing to tell apart, gives finite numbers."""
        encoder, task = self._ready()
        value = self._value(encoder, task, self._batch([3]))
        self.expect(bool(value.isfinite()), f"for one row the value is {value.detach()}")
        if value.requires_grad:
            value.backward()
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        self.expect(
            all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient of one row is not finite"
        )

    def test_rows_that_come_twice_count_once(self) -> None:
        """A batch with every row twice has the value of the batch: nothing is its own negative."""
        rows = np.arange(0, len(self.data().train), 2)
        encoder, task = self._ready(training=False)
        states = _states(task)
        once = self._value(encoder, task, self._batch(rows))
        _put(task, states)
        twice = self._value(encoder, task, self._batch(np.repeat(rows, 2)))
        self.expect(bool(torch.isclose(once, twice, rtol=1e-4)), f"{once.detach()} once, {twice.detach()} twice")

    def test_seed_decides(self) -> None:
        """Two of one seed have one value and draw nothing from torch's own generator."""
        values = []
        with torch.random.fork_rng(devices=[]):
            for state in (1, 2):
                torch.manual_seed(state)
                encoder, task = self._ready(training=False)
                values.append([float(self._value(encoder, task, self._batch()).detach()) for _ in range(2)])
        same = np.allclose(values[0], values[1], rtol=1e-5)
        self.expect(same, f"two of one seed have {values[0]} and {values[1]}")

    def test_taken_up_again(self) -> None:
        """After `begin_epoch` once more, its state and its generators as they were, it goes on as it would have."""
        encoder, task = self._ready(training=False)
        self._value(encoder, task, self._batch())
        tensors = {name: value.detach().clone() for name, value in task.state_dict().items()}
        states = _states(task)
        straight = float(self._value(encoder, task, self._batch()).detach())
        weights = {name: value.detach().clone() for name, value in encoder.state_dict().items()}
        with torch.no_grad():
            for parameter in encoder.parameters():  # in the middle of an epoch weights are not what it began with
                parameter.copy_(parameter.flip(0) if parameter.ndim else parameter)
        task.begin_epoch(1, encoder)
        encoder.load_state_dict(weights)
        task.load_state_dict(tensors)
        _put(task, states)
        again = float(self._value(encoder, task, self._batch()).detach())
        self.expect(abs(again - straight) <= 1e-5 * max(1.0, abs(straight)), f"{straight} straight on, {again} again")

    def test_disturbance(self) -> None:
        """What it adds to a walk keeps shape and type, and leaves the vectors that it is given as they were."""
        _, task = self._ready()
        disturb = task.disturbance()
        self.skip_unless(disturb is not None, "disturbs nothing")
        vector_VD = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
        before_VD = vector_VD.clone()
        after_VD = disturb(vector_VD)
        self.expect(after_VD.shape == vector_VD.shape and after_VD.dtype == vector_VD.dtype, "disturbance: other shape")
        self.expect(bool(after_VD.isfinite().all()), "disturbance: not finite")
        self.expect(torch.equal(vector_VD, before_VD), "disturbance changes what it is given")
        self.expect(not torch.equal(after_VD, before_VD), "disturbance changes nothing")

    def _ready(self, *, training: bool = True) -> tuple[Any, Any]:
        data, context = self.data(), Context(seed=7)
        name = self.encoder or ENCODERS.get(self.component_class.views, "lightgcn")
        encoder = registry.create("encoder", name, self.encoder_settings)
        encoder.setup(data, context)
        encoder.train(training)
        task = self.build()
        task.setup(data, encoder, context)
        encoder.disturb = task.disturbance()
        encoder.begin_epoch(1)
        task.begin_epoch(1, encoder)
        return encoder, task

    def _batch(self, rows: Any = None) -> Batch:
        return batch_of(self.data(), rows)

    def _value(self, encoder: Any, task: Any, batch: Batch) -> Any:
        encoder.begin_step()
        return task(encoder, batch)


def _states(task: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in vars(task).items():
        if isinstance(value, torch.Generator):
            found[name] = value.get_state()
        elif isinstance(value, np.random.Generator):
            found[name] = value.bit_generator.state
    return found


def _put(task: Any, states: dict[str, Any]) -> None:
    for name, state in states.items():
        generator = getattr(task, name)
        if isinstance(generator, torch.Generator):
            generator.set_state(state)
        else:
            generator.bit_generator.state = state
