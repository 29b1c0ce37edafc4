"""The objectives' kit finds the fault of each of these objectives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from reccli.api import LossOutput, Objective, Pretrained
from reccli.testing import ObjectiveConformance


class Counts(Objective):
    """The popularity of items as their only feature."""

    closed_form = True

    def setup(self, data, context):
        self.count_I1 = data.item_count_I()[:, None].astype(np.float32)

    def finish(self):
        return Pretrained(item_features={"count": self.count_I1})


class Learns(Objective):
    """A table that shrinks."""

    def setup(self, data, context):
        self.table = nn.Embedding(data.n_items, 3)
        with torch.no_grad():
            self.table.weight.normal_(generator=context.generator("table"))

    @property
    def n_rows(self):
        return self.table.num_embeddings

    def loss(self, row_B):
        return LossOutput(self.table(row_B).square().sum(1))

    def finish(self):
        return Pretrained(weights={"table": self.table.weight.detach()})


class HasRows(Counts):
    """A closed form with training rows."""

    n_rows = 5


class Empty(Counts):
    """Hands nothing on."""

    def finish(self):
        return Pretrained()


class WrongRows(Counts):
    """Loses an item."""

    def finish(self):
        return Pretrained(item_features={"count": self.count_I1[1:]})


class Infinite(Counts):
    """Takes the logarithm of nothing."""

    def finish(self):
        return Pretrained(item_features={"count": np.full_like(self.count_I1, -np.inf)})


class Summed(Learns):
    """Gives one value for all rows."""

    def loss(self, row_B):
        return LossOutput(self.table(row_B).square().sum()[None])


class Stuck(Learns):
    """Gets no gradient."""

    def loss(self, row_B):
        return LossOutput(0 * self.table(row_B).sum(1))


class GlobalSeed(Learns):
    """Starts from torch's own generator."""

    def setup(self, data, context):
        super().setup(data, context)
        nn.init.normal_(self.table.weight)


class Forgets(Learns):
    """Leaves its table to nobody."""

    def parameter_groups(self):
        yield {"params": []}


class Twice(Learns):
    """Trains its table twice."""

    def parameter_groups(self):
        for _ in range(2):
            yield {"params": [self.table.weight]}


class Restless(Learns):
    """Measures something else each time that an epoch begins."""

    begun = 0

    def begin_epoch(self, epoch):
        self.begun += 1

    def held_out(self):
        return {"held_out_loss": float(self.begun)}


class NeedsTriples(Counts):
    """Needs what the world does not have."""

    needs = frozenset({"triples"})


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (NeedsTriples, "test_is_an_objective", "triples"),
        (HasRows, "test_training_rows", "5 training rows"),
        (Summed, "test_training_rows", "values of shape"),
        (Stuck, "test_training_rows", "no parameter gets a gradient"),
        (Forgets, "test_parameter_groups", "'table.weight' is in no group"),
        (Twice, "test_parameter_groups", "in two groups"),
        (Restless, "test_begin_epoch_repeats", "held-out metrics were"),
        (Empty, "test_finish", "hands nothing"),
        (WrongRows, "test_finish", "rows should be 10"),
        (Infinite, "test_finish", "not finite"),
        (GlobalSeed, "test_seed_decides", "weight 'table' differs"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(ObjectiveConformance, component, check, match)


@pytest.mark.parametrize("component", [Counts, Learns])
def test_good_objectives_pass_every_check(passes, component):
    assert len(passes(ObjectiveConformance, component)) == 11
