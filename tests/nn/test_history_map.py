"""The map of pooled histories: the identity at the start, unit vectors, dropout in training alone."""

from __future__ import annotations

import torch

from reccli.nn.history_map import HistoryMap


def test_it_starts_as_the_identity_and_maps_by_its_weights() -> None:
    mapped, mean_BD = HistoryMap(3, 0.5), torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mapped(mean_BD), mean_BD)
    with torch.no_grad():
        mapped.weight_DD.copy_(torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
        mapped.shift_D.copy_(torch.tensor([0.0, 0.0, 5.0]))
    wanted_BD = torch.stack([2 * mean_BD[:, 1], mean_BD[:, 0], mean_BD[:, 2] + 5], dim=1)
    torch.testing.assert_close(mapped(mean_BD), wanted_BD)


def test_histories_show_directions_and_lose_numbers_in_training_alone() -> None:
    mapped, vector_ND = HistoryMap(200, 0.25), torch.full((5, 200), 3.0)
    torch.manual_seed(0)
    dropped_ND = mapped.seen(vector_ND)
    assert 150 < int((dropped_ND == 0).sum()) < 350
    torch.testing.assert_close(dropped_ND[dropped_ND > 0].unique(), torch.tensor([200**-0.5 / 0.75]))
    torch.testing.assert_close(mapped.eval().seen(vector_ND), torch.full((5, 200), 200**-0.5))
