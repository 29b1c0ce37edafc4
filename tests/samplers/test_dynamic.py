from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.errors import DataError
from reccli.samplers.dynamic import Dynamic
from reccli.testing import SamplerConformance
from reccli.testing.inputs import batch_of
from reccli.training.finetuning import FinetuneTask
from reccli.training.model import ScoringModel

ROW = torch.tensor([0, 1, 2])


class TestDynamic(SamplerConformance):
    component = "dynamic"


class TestDynamicHardAlone(SamplerConformance):
    component = "dynamic"
    settings = {"share": 1.0, "alpha": 0.75, "pool": 20}


@pytest.mark.parametrize(
    ("count", "share", "hard", "kept", "size"), [(4, 0.5, 2, 2, 12), (3, 1.0, 3, 0, 10), (3, 0.0, 0, 3, 3)]
)
def test_pool_and_random_draws(ready, count, share, hard, kept, size):
    sampler = ready(Dynamic(Dynamic.Settings(pool=10, count=count, share=share)))
    got = sampler.sample(ROW, ROW, torch.Generator().manual_seed(0))
    assert (got.hardest, got.kept, len(got.shared_N)) == (hard, kept, size)
    assert got.own_BN is None
    assert got.log_q_N is None


@pytest.mark.parametrize("alpha", [0.0, 0.75])
def test_the_pool_follows_the_counts(ready, data, follows, alpha):
    sampler = ready(Dynamic(Dynamic.Settings(pool=20_000, alpha=alpha)))
    count_I = data.item_count_I().astype(float)
    weight_I = np.where(count_I > 0, count_I**alpha, 0.0)
    follows(sampler.sample(ROW, ROW, torch.Generator().manual_seed(0)).shared_N, weight_I / weight_I.sum())


@pytest.mark.parametrize("encoder", ["mf", "history"])
def test_the_loss_sees_each_rows_hardest(data, encoder):
    """A row's hard negatives are those of the pool, unknown to its user, that score highest, one by one."""
    seen = []
    loss = registry.create("loss", "bpr")
    loss.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    built = registry.create("encoder", encoder, {"dim": 4, "start": "random"})
    built.setup(data, Context(seed=2))
    model = ScoringModel(built, loss, Similarity("cosine"), data).eval()
    built.begin_epoch(1)
    sampler = Dynamic(Dynamic.Settings(pool=12, count=5, share=0.6))
    sampler.setup(data, Context())
    task = FinetuneTask(model, sampler, data, None, Context(seed=2), batch_size=64)
    pools = []
    sample = sampler.sample
    sampler.sample = lambda *given: pools.append(sample(*given)) or pools[-1]
    row_B = torch.arange(0, len(data.train), 4)
    task.loss(row_B)[0].backward()
    (inputs,), (pool,) = seen, pools
    user_BD, code_P = inputs.user_BD.detach(), pool.shared_N
    batch = batch_of(data, row_B.numpy())
    for row, user in enumerate(batch.user_B.tolist()):
        known = set(data.train.item_E[data.train.user_E == user].tolist())
        scores = torch.cosine_similarity(user_BD[row], built.items(code_P).detach(), dim=-1)
        free = [place for place in range(2, 14) if int(code_P[place]) not in known]
        best = sorted((float(scores[place]) for place in free), reverse=True)[:3]
        got = inputs.similarity.own(user_BD, inputs.negative_BND)[row].tolist()
        assert got[:2] == pytest.approx(scores[:2].tolist(), abs=1e-6)
        assert got[2 : 2 + len(best)] == pytest.approx(best, abs=1e-6)
        assert inputs.known_BN[row, :2].tolist() == [int(item) in known for item in code_P[:2]]
        assert inputs.known_BN[row, 2:].tolist() == [False] * len(best) + [True] * (3 - len(best))


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        Dynamic().setup(empty, Context())
