from __future__ import annotations

from reccli.training.early_stopping import Best


def test_keeps_the_first_of_the_best_and_runs_out() -> None:
    best = Best(higher=True, patience=2)
    assert [best.offer(value, epoch) for epoch, value in enumerate([0.1, 0.3, 0.3, 0.2])] == [True, True, False, False]
    assert (best.value, best.epoch, best.over) == (0.3, 1, True)


def test_lower_may_be_better_and_nan_never_is() -> None:
    best = Best(higher=False, patience=0)
    assert [best.offer(value, epoch) for epoch, value in enumerate([float("nan"), 2.0, 3.0, 1.0])] == [
        False,
        True,
        False,
        True,
    ]
    assert (best.epoch, best.over) == (3, False)
