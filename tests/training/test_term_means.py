"""Means of reported scalars."""

from __future__ import annotations

import torch

from reccli.training.term_means import TermMeans


def test_a_scalar_is_averaged_over_the_steps_that_have_it():
    means = TermMeans()
    means.add({"a": torch.tensor(1.0, requires_grad=True), "b": torch.tensor(4.0)})
    other = TermMeans()
    other.load(means.state())
    other.add({"a": torch.tensor(3.0)})
    assert dict(other.take()) == {"a": 2.0, "b": 4.0}
    assert dict(other.take()) == {}
