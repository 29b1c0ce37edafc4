"""The encoders' kit finds the fault of each of these encoders, which are small variations of one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from reccli.api import Encoder
from reccli.testing import EncoderConformance
from reccli.testing.encoder_views import other_item


class Pooled(Encoder):
    """The mean of a user's other items, from an id table; texts by the letters that they start with."""

    grouped = True
    serves_new_users = True
    serves_new_items = True

    def setup(self, data, context):
        self.n_items = data.n_items
        self.train_data = data.train
        self.table = nn.Embedding(data.n_items, 4)
        self.scale = nn.Parameter(torch.ones(4))
        with torch.no_grad():
            self.table.weight.normal_(generator=context.generator("table"))

    def users(self, batch):
        whole = self.pool(self.train_data)[batch.user_B]
        count_B1 = torch.from_numpy(self.train_data.length_U)[batch.user_B].unsqueeze(1)
        others = (whole * count_B1 - self.table(batch.item_B)) / (count_B1 - 1).clamp_min(1)
        return others * self.scale

    def pool(self, histories):
        matrix = torch.from_numpy(histories.to_scipy("ones").toarray())
        return matrix @ self.table.weight / matrix.sum(1, keepdim=True).clamp_min(1)

    def items(self, item_N):
        return self.table(item_N)

    @torch.no_grad()
    def export_users(self, histories):
        return self.pool(histories) * self.scale

    @torch.no_grad()
    def encode_texts(self, texts):
        return torch.stack([torch.full((4,), float(sum(map(ord, text)))) for text in texts])


class Leaks(Pooled):
    """Leaves the row's own positive in."""

    def users(self, batch):
        return self.pool(self.train_data)[batch.user_B] * self.scale


class GlobalSeed(Pooled):
    """Starts from torch's own generator."""

    def setup(self, data, context):
        super().setup(data, SimpleNamespace(generator=lambda name: None))


class KeepsToItself(Pooled):
    """Learns something that is not in its state."""

    steps = 0

    def begin_step(self):
        self.steps += self.training

    def export_users(self, histories):
        return super().export_users(histories) + self.steps


class DropsAGroup(Pooled):
    """Forgets a parameter."""

    def parameter_groups(self):
        yield {"params": [self.table.weight]}


class NoGradient(Pooled):
    """Detaches."""

    def users(self, batch):
        return super().users(batch).detach()

    def items(self, item_N):
        return super().items(item_N).detach().requires_grad_()


class OtherSizes(Pooled):
    """Gives users one number more."""

    def users(self, batch):
        return torch.nn.functional.pad(super().users(batch), (0, 1))


class Centred(Pooled):
    """Subtracts the mean of what it was asked for."""

    def items(self, item_N):
        return self.table(item_N) - self.table(item_N).mean(0)

    def encode_texts(self, texts):
        return super().encode_texts(texts) * torch.arange(1.0, len(texts) + 1)[:, None]

    def export_users(self, histories):
        return super().export_users(histories) - super().export_users(histories).mean(0)


class DividesByLength(Pooled):
    """Divides by the length of a history, which may be zero."""

    def pool(self, histories):
        matrix = torch.from_numpy(histories.to_scipy("ones").toarray())
        return matrix @ self.table.weight / matrix.sum(1, keepdim=True)


class WarmNumbers(Pooled):
    """Counts where it should say yes or no."""

    def warm_items(self):
        return torch.ones(self.n_items)


class NeedsTriples(Pooled):
    """Needs what the world does not have."""

    needs = frozenset({"triples"})


class DoubleExport(Pooled):
    """Exports float64."""

    def export_items(self):
        return super().export_items().double()


class Scribbles(Pooled):
    """Normalises weights where they are."""

    def setup(self, data, context):
        super().setup(data, context)
        data.train.weight_E[:] *= 0.5


class ReadsInSecret(Pooled):
    """Starts from vectors that it does not name."""

    def setup(self, data, context):
        super().setup(data, context)
        data.features.get("spectral")


class Boasts(Pooled):
    """Names vectors that it does not read."""

    def starts_from(self, offered, task):
        return frozenset({"spectral"} & offered.keys())


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (ReadsInSecret, "test_starts_from_what_it_says", r"names \[\], and \['spectral'\] is read"),
        (Scribbles, "test_leaves_the_data_as_it_is", "changes weight_E of the training data"),
        (Boasts, "test_starts_from_what_it_says", r"names \['spectral'\], and \[\] is read"),
        (NeedsTriples, "test_is_an_encoder", "triples"),
        (NoGradient, "test_training_vectors", "no parameter gets a gradient"),
        (OtherSizes, "test_training_vectors", "users have 5 numbers"),
        (DropsAGroup, "test_parameter_groups_hold_every_parameter_once", "in no group"),
        (Centred, "test_items_do_not_depend_on_their_company", "differ"),
        (Leaks, "test_own_positive_does_not_leak", "leaks into its user vector"),
        (WarmNumbers, "test_exports", "warm_items"),
        (DoubleExport, "test_exports", "float32 on the CPU"),
        (GlobalSeed, "test_seed_decides", "one seed"),
        (KeepsToItself, "test_state_round_trip", "state does not hold"),
        (Centred, "test_new_users", "depends on its company"),
        (DividesByLength, "test_new_users", "not finite"),
        (Centred, "test_new_items", "depends on its company"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(EncoderConformance, component, check, match)


def test_a_good_encoder_passes_every_check(passes):
    assert len(passes(EncoderConformance, Pooled)) == 18


def test_the_leak_is_looked_for_where_it_can_show():
    """The check changes the row's item for one that the user has not met, at the same place and time."""
    data = EncoderConformance().data()
    changed = other_item(data, 2)
    assert np.flatnonzero(changed.train.item_E != data.train.item_E).tolist() == [2]
    start, stop = data.train.offset_U1[:2]
    assert len(set(changed.train.item_E[start:stop])) == stop - start
