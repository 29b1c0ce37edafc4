"""`elsa`: its loss against a literal loop, and that training lowers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.elsa import Elsa, reconstruction_loss
from reccli.testing import EncoderConformance


class TestElsa(EncoderConformance):
    component = Elsa


class TestElsaGiven(EncoderConformance):
    component = "elsa"
    settings: dict[str, Any] = {"rank": 3, "epochs": 2}


def test_loss_is_that_of_the_matrix_without_its_diagonal() -> None:
    draw = np.random.default_rng(1)
    history_BI = (draw.random((6, 9)) < 0.4).astype(np.float64)
    history_BI[:, 0] = 1
    raw_IR = draw.normal(size=(9, 4))
    unit_IR = raw_IR / np.linalg.norm(raw_IR, axis=1, keepdims=True)
    weight_II = unit_IR @ unit_IR.T
    np.fill_diagonal(weight_II, 0.0)  # rows have length 1, so the unit matrix is the diagonal
    total = 0.0
    for x in history_BI:
        y = x @ weight_II
        total += ((x / np.linalg.norm(x) - y / np.linalg.norm(y)) ** 2).sum()
    got = reconstruction_loss(torch.from_numpy(history_BI), torch.from_numpy(raw_IR))
    assert float(got) == pytest.approx(total / 6)


def test_training_lowers_the_loss_and_choices_are_said() -> None:
    draw = np.random.default_rng(2)
    taste_U, taste_I = draw.integers(3, size=60), draw.integers(3, size=30)
    matrix_UI = draw.random((60, 30)) < np.where(taste_U[:, None] == taste_I, 0.5, 0.05)
    user_E, item_E = np.nonzero(matrix_UI)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=60, n_items=30))
    losses = []
    for epochs in (1, 20):
        encoder = Elsa(Elsa.Settings(rank=4, epochs=epochs))
        encoder.setup(data, Context(seed=3))
        history_UI = torch.from_numpy(matrix_UI.astype(np.float32))
        losses.append(float(reconstruction_loss(history_UI, encoder.export_items())))
    assert losses[1] < losses[0]
    lines: list[str] = []
    Elsa(Elsa.Settings(rank=4)).setup(data, Context(say=lines.append))
    assert lines[0].startswith("elsa: ")


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("epochs", -1)])
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        Elsa.Settings(**{name: value})
