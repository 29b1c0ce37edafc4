"""Weights of behaviours and of age."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.preparation.weights import DAY, event_weights, recency


def test_unnamed_behaviours_have_no_weight() -> None:
    found = event_weights(["view", " cart ", "share"], {"view": 1, "cart": 3})
    assert found[:2].tolist() == [1.0, 3.0]
    assert np.isnan(found[2])


def test_half_life() -> None:
    newest = 100 * DAY
    time = np.array([newest, newest - 7 * DAY, newest - 14 * DAY, newest + DAY])
    assert recency(time, newest, 7.0).tolist() == pytest.approx([1.0, 0.5, 0.25, 1.0])
