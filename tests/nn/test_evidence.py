"""Evidence of similar items against its formula in a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from reccli.api import Histories
from reccli.nn import evidence as module
from reccli.nn.evidence import Evidence

torch.set_num_threads(1)


def ratings(seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    return Histories.from_arrays(
        np.repeat(np.arange(5), 6), rng.integers(0, 12, 30), n_users=6, n_items=12, value_E=rng.integers(1, 6, 30),
        time_E=np.arange(30),
    )  # fmt: skip


@pytest.mark.parametrize("block", [1, 1 << 15])
@pytest.mark.parametrize("other", [False, True])
def test_every_pair(monkeypatch: pytest.MonkeyPatch, block: int, other: bool) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    train, generator = ratings(), torch.Generator().manual_seed(0)
    unit_IT = functional.normalize(torch.randn(12, 5, generator=generator), dim=1)
    model = Evidence(train, unit_IT, nearest=3, temperature=0.2, shown=2)
    histories = ratings(seed=1) if other else train
    user_R, item_R = np.repeat(np.arange(6), 12), np.tile(np.arange(12), 6)
    seen = model(torch.from_numpy(user_R), torch.from_numpy(item_R), histories if other else None)
    mean, bias_I = float(model.mean), model.bias_I.numpy()
    for pair, (user, item) in enumerate(zip(user_R, item_R, strict=True)):
        entries = [
            e for e in range(histories.offset_U1[user], histories.offset_U1[user + 1]) if histories.item_E[e] != item
        ]
        left = {e: float(histories.value_E[e]) - mean - bias_I[histories.item_E[e]] for e in entries}
        bias = sum(left.values()) / (len(left) + 5)
        cosine = {e: float(unit_IT[item] @ unit_IT[histories.item_E[e]]) for e in entries}
        best = sorted(entries, key=lambda e: -cosine[e])
        weight = {e: math.exp((cosine[e] - 1) / 0.2) for e in best[:3]}
        expected = sum(w * (left[e] - bias) for e, w in weight.items()) / (sum(weight.values()) + math.exp(-0.5 / 0.2))
        assert float(seen.evidence_R[pair]) == pytest.approx(expected, abs=1e-4)
        assert float(seen.bias_R[pair]) == pytest.approx(bias, abs=1e-5)
        found = [int(e) for e in seen.entry_RS[pair] if e >= 0]
        assert len(found) == min(2, len(entries))
        got = [cosine[e] for e in found]
        assert got == pytest.approx([cosine[e] for e in best[:2]], abs=1e-6)
        for place, e in enumerate(found):
            assert float(seen.left_RS[pair, place]) == pytest.approx(left[e] - bias, abs=1e-4)


def test_biases_are_shrunken_means_by_turns() -> None:
    train = ratings()
    mean, bias_I = module._biases(train)
    assert mean == pytest.approx(float(train.value_E.mean()))
    bias_U = np.zeros(6)
    for _ in range(3):
        items = [[float(v - mean - bias_U[u]) for u, i, v in rows(train) if i == item] for item in range(12)]
        expected = np.array([sum(left) / (len(left) + 5) for left in items])
        users = [[float(v - mean - expected[i]) for u, i, v in rows(train) if u == user] for user in range(6)]
        bias_U = np.array([sum(left) / (len(left) + 5) for left in users])
    np.testing.assert_allclose(bias_I, expected, atol=1e-6)


def rows(train: Histories) -> list[tuple[int, int, float]]:
    return list(zip(train.user_E.tolist(), train.item_E.tolist(), train.value_E.tolist(), strict=True))


def test_no_history_at_all() -> None:
    nothing = Histories.from_arrays([], [], n_users=2, n_items=12)
    model = Evidence(ratings(), torch.eye(12), nearest=3, temperature=0.1, shown=2)
    seen = model(torch.tensor([0, 1]), torch.tensor([3, 4]), nothing)
    assert seen.evidence_R.tolist() == [0.0, 0.0]
    assert (seen.entry_RS == -1).all()
