"""What is refused before vectors are searched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reccli.encoders.mf import MF
from reccli.errors import DivergedError, PluginError
from reccli.training.validation import check_finite


def test_vectors_of_different_lengths_are_the_encoder_s_fault() -> None:
    model: Any = SimpleNamespace(encoder=MF(), loss=None)
    check_finite(model, np.zeros((2, 8)), np.zeros((5, 8)))
    with pytest.raises(PluginError, match=r"^encoder 'MF' exports users of 8 numbers and items of 3$"):
        check_finite(model, np.zeros((2, 8)), np.zeros((5, 3)))


def test_vectors_that_are_no_numbers_are_a_training_s_that_ran_away() -> None:
    model: Any = SimpleNamespace(encoder=MF(), loss=object())
    with pytest.raises(DivergedError, match=r"^item vectors are not finite after training$") as told:
        check_finite(model, np.zeros((2, 8)), np.full((5, 8), np.nan))
    assert told.value.hint == "lower the rate: --learning-rate"
