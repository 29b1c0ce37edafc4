"""The encoders' kit finds the fault of each of these offers of views."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reccli.encoders.history import History
from reccli.encoders.lightgcn import LightGCN
from reccli.testing import EncoderConformance

SMALL = {"dim": 4, "start": "random"}


class ReadsOtherwise(History):
    """Reads what it does not export."""

    def read(self, histories):
        return 2 * super().read(histories)


class ReadsNumbers(History):
    """Reads without gradients."""

    def read(self, histories):
        return super().read(histories).detach().requires_grad_()


class ReadsAll(History):
    """Sees what weighs nothing."""

    def read(self, histories):
        return super().read(replace(histories, weight_E=histories.weight_E * 0 + 1))


class Strays(LightGCN):
    """Its step is not the one that made the layers."""

    def walk(self, step=None):
        walk = super().walk(step)
        return replace(walk, step=lambda vector_VD: 2 * walk.step(vector_VD))


class WalksDetached(LightGCN):
    """Walks without gradients."""

    def walk(self, step=None):
        walk = super().walk(step)
        return replace(walk, layers=tuple(layer_VD.detach() for layer_VD in walk.layers))


class StaysAtHome(LightGCN):
    """Walks over its own graph whatever it is told."""

    def walk(self, step=None):
        return super().walk()


class LosesUsers(LightGCN):
    """Walks without some of its users."""

    def walk(self, step=None):
        return replace(super().walk(step), n_users=3)


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (ReadsOtherwise, "test_reads_histories", "differ"),
        (ReadsNumbers, "test_reads_histories", "no parameter a gradient"),
        (ReadsAll, "test_reads_histories", "sees an entry of weight 0"),
        (Strays, "test_walks", "not the step of the one before"),
        (WalksDetached, "test_walks", "no gradients"),
        (StaysAtHome, "test_walks", "does not walk by the step"),
        (LosesUsers, "test_walks", "3 users in the walk of 12"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(EncoderConformance, component, check, match, settings=SMALL)


@pytest.mark.parametrize(("component", "check"), [(History, "test_reads_histories"), (LightGCN, "test_walks")])
def test_good_offers_pass(passes, component, check):
    assert check in passes(EncoderConformance, component, settings=SMALL)
    torch.manual_seed(0)
