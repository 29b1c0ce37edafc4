"""The causal transformer: a literal version, no look at the future, and seeds."""

from __future__ import annotations

import math

import numpy as np
import torch

from reccli.nn.causal_reader import CausalReader


def reader(seed: int = 0, **given: int) -> CausalReader:
    found = CausalReader(4, 6, **{"layers": 2, "heads": 2, "dropout": 0.0, "seed": seed, **given}).eval()
    for name, parameter in found.named_parameters():
        if parameter.ndim == 1:  # norms and biases begin at constants
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(len(name)))
    return found.double()


def normed(row: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    mean, variance = row.mean(), ((row - row.mean()) ** 2).mean()
    return (row - mean) / math.sqrt(variance + 1e-5) * weight + bias


def literally(found: CausalReader, entries: np.ndarray) -> np.ndarray:
    """States of one sequence, place by place and head by head."""
    p = {name: value.numpy() for name, value in found.state_dict().items()}
    state = [p["opening_D"], *entries]
    state = [row + p["position_LD"][place] for place, row in enumerate(state)]
    for number, layer in enumerate(found.layers):
        name, half = f"layers.{number}.", 4 // layer.heads
        clean = [normed(row, p[name + "norm.weight"], p[name + "norm.bias"]) for row in state]
        looks = [p[name + "look.weight"] @ row + p[name + "look.bias"] for row in clean]
        after = []
        for place, row in enumerate(state):
            mixed = np.zeros(4)
            for head in range(layer.heads):
                own = slice(head * half, (head + 1) * half)
                query = looks[place][0:4][own]
                weight = [math.exp(query @ looks[seen][4:8][own] / math.sqrt(half)) for seen in range(place + 1)]
                for seen in range(place + 1):
                    mixed[own] += weight[seen] / sum(weight) * looks[seen][8:12][own]
            after.append(row + p[name + "out.weight"] @ mixed + p[name + "out.bias"])
        state = []
        for row in after:
            clean_row = normed(row, p[name + "second_norm.weight"], p[name + "second_norm.bias"])
            wide = p[name + "wide.weight"] @ clean_row + p[name + "wide.bias"]
            bent = np.array([x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in wide])
            state.append(row + p[name + "narrow.weight"] @ bent + p[name + "narrow.bias"])
    return np.array([normed(row, p["norm.weight"], p["norm.bias"]) for row in state])


def test_states_are_what_a_literal_transformer_says() -> None:
    found = reader()
    entry_RLD = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    state_RLD = found(entry_RLD).detach().numpy()
    assert state_RLD.shape == (2, 6, 4)
    for sequence in range(2):
        np.testing.assert_allclose(state_RLD[sequence], literally(found, entry_RLD[sequence].numpy()), atol=1e-9)


def test_the_future_never_leaks() -> None:
    found = reader()
    entry_RLD = torch.randn(1, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = found(entry_RLD)
    for place in range(6):
        changed = entry_RLD.clone()
        changed[:, place:] += torch.arange(4)
        after = found(changed)
        torch.testing.assert_close(after[:, : place + 1], before[:, : place + 1])
        assert not torch.allclose(after[:, place + 1], before[:, place + 1])


def test_the_seed_decides_whatever_torch_has_drawn() -> None:
    torch.manual_seed(5)
    first = reader().state_dict()
    torch.manual_seed(6)
    second, third = reader().state_dict(), reader(seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["position_LD"], third["position_LD"])
