"""Ridge regression against its normal equations, one column at a time."""

from __future__ import annotations

import numpy as np
import torch

from reccli.nn.ridge import ridge


def test_the_normal_equations_hold() -> None:
    rng = np.random.default_rng(0)
    given, wanted = rng.normal(size=(20, 5)), rng.normal(size=(20, 3))
    got = ridge(torch.from_numpy(given), torch.from_numpy(wanted), strength=0.1).numpy()
    penalty = 0.1 * np.mean([given[:, t] @ given[:, t] for t in range(5)])
    rows = np.vstack([given, np.sqrt(penalty) * np.eye(5)])  # the penalty as rows of their own
    for column in range(3):
        target = np.concatenate([wanted[:, column], np.zeros(5)])
        np.testing.assert_allclose(got[:, column], np.linalg.lstsq(rows, target, rcond=None)[0], atol=1e-5)


def test_nothing_given_gives_nothing() -> None:
    assert ridge(torch.zeros(0, 4), torch.zeros(0, 2)).abs().max() == 0
    assert ridge(torch.zeros(3, 4), torch.ones(3, 2)).isfinite().all()
