"""The kit of auxiliary tasks finds the fault of each of these."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Auxiliary
from reccli.nn.view_losses import view_loss
from reccli.testing import AuxiliaryConformance


class Good(Auxiliary):
    """Tells vertices apart by their first layer and noise of its own."""

    def setup(self, data, encoder, context):
        self.draws = context.generator("good")
        self.register_buffer("seen", torch.zeros(()))

    def begin_epoch(self, epoch, encoder):
        self.seen += 1

    def compute(self, encoder, batch):
        walk = encoder.walk()
        code_G = walk.vertices(batch)[0]
        noise = 0.1 * torch.randn(len(code_G), walk.layers[0].shape[1], generator=self.draws)
        return view_loss(walk.mean_VD[code_G] + noise, walk.layers[1][code_G], 0.2).mean() + 0 * self.seen


class Disturbing(Good):
    """Makes all vectors of the walk longer."""

    def disturbance(self):
        return lambda vector_VD: 2 * vector_VD


class OtherViews(Good):
    """Asks for what nobody has."""

    views = "dreams"


class Weightless(Good):
    """Counts for nothing."""

    default_weight = 0.0


class Rows(Good):
    """Gives one number for each user."""

    def forward(self, encoder, batch):
        return super().compute(encoder, batch)[None]


class Detached(Good):
    """Teaches nothing."""

    def compute(self, encoder, batch):
        return super().compute(encoder, batch).detach().requires_grad_()


class Alone(Good):
    """Divides by how many others there are."""

    def compute(self, encoder, batch):
        return super().compute(encoder, batch) / (len(batch) - 1)


class CountsTwice(Good):
    """Takes rows for things."""

    def compute(self, encoder, batch):
        walk = encoder.walk()
        return view_loss(walk.mean_VD[batch.user_B], walk.layers[1][batch.user_B], 0.2).mean()


class GlobalDraws(Good):
    """Draws from torch's own generator."""

    def compute(self, encoder, batch):
        return super().compute(encoder, batch) * (1 + torch.rand(()))


class Forgetful(Good):
    """Keeps what an epoch began with outside its state."""

    def begin_epoch(self, epoch, encoder):
        encoder.begin_step()
        self.first_VD = encoder.walk().layers[0].detach().clone()

    def compute(self, encoder, batch):
        return super().compute(encoder, batch) + self.first_VD[:3].square().sum()


class InPlace(Good):
    """Changes the vectors that it is given."""

    def disturbance(self):
        return lambda vector_VD: vector_VD.mul_(2)


class Shrinks(Good):
    """Loses a vertex."""

    def disturbance(self):
        return lambda vector_VD: vector_VD[1:]


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (OtherViews, "test_is_an_auxiliary_task", "views are 'dreams'"),
        (Weightless, "test_is_an_auxiliary_task", "default_weight"),
        (Rows, "test_a_finite_scalar_with_gradients", "not a scalar"),
        (Detached, "test_a_finite_scalar_with_gradients", "no parameter of the encoder"),
        (Alone, "test_a_batch_of_one_row", "for one row"),
        (CountsTwice, "test_rows_that_come_twice_count_once", "twice"),
        (GlobalDraws, "test_seed_decides", "two of one seed"),
        (Forgetful, "test_taken_up_again", "straight on"),
        (InPlace, "test_disturbance", "changes what it is given"),
        (Shrinks, "test_disturbance", "other shape"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(AuxiliaryConformance, component, check, match)


@pytest.mark.parametrize(("component", "count"), [(Good, 11), (Disturbing, 12)])
def test_good_tasks_pass_every_check(passes, component, count):
    assert len(passes(AuxiliaryConformance, component)) == count
