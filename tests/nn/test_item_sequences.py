"""Sequences against loops, and a reader that padding, company and the future do not move."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from reccli.nn.item_sequences import ItemReader, Sequences

torch.set_num_threads(1)


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("longest", [1, 3, 50])
def test_sequences(spread: bool, longest: int) -> None:
    lengths = [4, 0, 7, 1, 50, 51]
    row_H = torch.repeat_interleave(torch.arange(6), torch.tensor(lengths))
    index_H = torch.arange(len(row_H)) * 2
    found = Sequences(index_H, row_H, 6, longest, spread=spread)
    begin = 0
    for row, length in enumerate(lengths):
        entries = [2 * number for number in range(begin, begin + length)]
        got = found.index_RL[row][found.real_RL[row]].tolist()
        assert len(got) == int(found.length_R[row]) == min(length, longest)
        if spread and length > longest:
            assert got == sorted(set(got) & set(entries))
            assert got[0] == entries[0]
            gaps = [b - a for a, b in pairwise(got)]
            assert not gaps or max(gaps) - min(gaps) <= 2  # in steps of 2: even but for one
        else:
            assert got == entries[len(entries) - min(length, longest) :]
        begin += length


def test_no_sequence_at_all() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert Sequences(nothing, nothing, 0, 5, spread=False).index_RL.shape == (0, 0)
    assert Sequences(nothing, nothing, 2, 5, spread=True).length_R.tolist() == [0, 0]


def reader(causal: bool) -> ItemReader:
    built = ItemReader(8, 5, layers=2, heads=2, dropout=0.3, causal=causal, seed=3)
    torch.nn.init.normal_(built.out.weight, generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(built.rate_D, generator=torch.Generator().manual_seed(1))
    return built


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_padding_and_company_change_nothing(causal: bool, training: bool) -> None:
    built = reader(causal).train(training)
    for module in built.modules():  # dropout off, so that both ways of attention are compared
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    generator = torch.Generator().manual_seed(2)
    table_ID = torch.randn(9, 8, generator=generator)
    item_RL = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [0, 0, 0, 0]])
    real_RL = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    rate_RL = torch.randn(3, 4, generator=generator)
    with torch.no_grad():
        together = built(table_ID, item_RL, rate_RL, real_RL)
        for row, length in enumerate((4, 1, 0)):
            cut = (item_RL[row : row + 1, :length], rate_RL[row : row + 1, :length], real_RL[row : row + 1, :length])
            alone = built(table_ID, *cut)
            torch.testing.assert_close(together[row, : length + 1], alone[0], atol=1e-4, rtol=1e-4)


def test_the_past_alone_is_read_with_an_order_and_everything_without() -> None:
    table_ID = torch.randn(9, 8, generator=torch.Generator().manual_seed(2))
    one, two = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 7]])
    real, rate = torch.ones(1, 3).bool(), torch.zeros(1, 3)
    for causal in (True, False):
        built = reader(causal).eval()
        with torch.no_grad():
            first, second = built(table_ID, one, rate, real), built(table_ID, two, rate, real)
        assert torch.allclose(first[0, :3], second[0, :3], atol=1e-5) == causal
        assert not torch.allclose(first[0, 3], second[0, 3], atol=1e-3)


def test_without_an_order_places_do_not_matter() -> None:
    table_ID = torch.randn(9, 8, generator=torch.Generator().manual_seed(2))
    real, rate = torch.ones(1, 3).bool(), torch.zeros(1, 3)
    for causal in (True, False):
        built = reader(causal).eval()
        with torch.no_grad():
            there = built(table_ID, torch.tensor([[1, 2, 3]]), rate, real)
            back = built(table_ID, torch.tensor([[3, 2, 1]]), rate, real)
        place = 3 if causal else 0
        assert torch.allclose(there[0, place], back[0, place], atol=1e-5) != causal


def test_it_starts_at_zero_and_from_its_seed() -> None:
    table_ID = torch.ones(2, 8)
    built = [ItemReader(8, 5, layers=1, heads=2, dropout=0.0, causal=True, seed=seed) for seed in (1, 1, 2)]
    item, real, rate = torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2).bool(), torch.zeros(1, 2)
    assert built[0](table_ID, item, rate, real).abs().max() == 0
    states = [one.state_dict() for one in built]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])
