"""Whatever draws the negatives, in whatever form they come: what a user knows is never taken for one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reccli import registry
from reccli.api import Context, Loss, LossOutput, Similarity
from reccli.testing.inputs import skewed_data
from reccli.training.finetuning import FinetuneTask
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel

WAYS = [
    *((name, {}) for name in registry.names("sampler")),
    ("uniform", {"own": 5}),
    ("popularity", {"own": 5}),
    ("dynamic", {"pool": 9, "count": 6, "share": 1.0}),
    ("dynamic", {"pool": 9, "count": 6, "share": 0.0}),
]


class Watch(Loss):
    """Keeps what it is shown."""

    needs = frozenset({"negatives"})

    def compute(self, inputs):
        self.seen = inputs
        return LossOutput(inputs.positive_score_B())


class WatchGroups(Watch):
    """The same by user."""

    uses_groups = True


@pytest.mark.parametrize("memory", [0, 40])
@pytest.mark.parametrize("watch", [Watch, WatchGroups])
@pytest.mark.parametrize("encoder", ["mf", "history"])
@pytest.mark.parametrize(("sampler", "settings"), WAYS, ids=str)
def test_known_positives_are_masked(sampler, settings, encoder, watch, memory):
    """Vectors of mf and history tell which item they are of, so no code has to be believed."""
    data = replace(skewed_data(), item_attributes={"genres": ["a", "b|a", "c"] * 10})
    built = registry.create("encoder", encoder, {"dim": 6, "start": "random"})
    built.setup(data, Context(seed=4))
    model = ScoringModel(built, watch(), Similarity(), data, Mechanics(memory=memory))
    drawing = registry.create("sampler", sampler, settings)
    drawing.setup(data, Context())
    row = torch.zeros(2, dtype=torch.int64)
    own = drawing.sample(row, row, torch.Generator().manual_seed(0)).shared_N is None
    if memory and own:
        pytest.skip("a memory joins shared negatives alone")
    task = FinetuneTask(model, drawing, data, None, Context(seed=4), batch_size=32)
    built.begin_epoch(1)
    known = [set(data.train.item_E[data.train.user_E == user].tolist()) for user in range(data.n_users)]
    hits = 0
    for row_B in (torch.arange(0, len(data.train), 5), torch.arange(1, len(data.train), 5)):
        task.loss(row_B)
        inputs = model.loss.seen
        vector_BND, known_BN = inputs.negative_BND, inputs.known_BN
        if vector_BND is None:
            vector_BND = inputs.negative_ND.expand(len(row_B), -1, -1)
        if inputs.groups is not None:
            known_BN = inputs.groups.known_GN[inputs.groups.place_B]
        code_BN = (vector_BND[:, :, None] - built.all_items()).abs().sum(-1).argmin(-1)
        for row, user in enumerate(task.users(row_B).tolist()):
            expected = [item in known[user] for item in code_BN[row].tolist()]
            assert known_BN[row].tolist() == expected
            hits += sum(expected)
    assert hits > 0
