"""Conformance of metrics. U users, K list length, I items, R rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import CatalogueMetric, LabelMetric, Metric, RankingMetric, RatingMetric
from reccli.testing.conformance import Conformance

__all__ = ["MetricConformance"]

Arrays = tuple[npt.NDArray[Any], ...]


class MetricConformance(Conformance):
    """Every check of a metric of any of the four sorts.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with.
        bounds: Smallest and greatest possible value, None where there is no bound.
    """

    kind = "metric"
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, None)

    def test_is_a_metric(self) -> None:
        """It is a subclass of exactly one of the four sorts."""
        sorts = (RankingMetric, RatingMetric, LabelMetric, CatalogueMetric)
        found = [sort.__name__ for sort in sorts if issubclass(self.component_class, sort)]
        self.expect(issubclass(self.component_class, Metric), "not a subclass of reccli.api.Metric")
        self.expect(len(found) == 1, f"must be one of {[sort.__name__ for sort in sorts]}, is {found}")

    def test_values(self) -> None:
        """Values are finite numbers within the bounds, and the inputs are left as they were."""
        low, high = self.bounds
        for k in (1, 5, 10):
            arrays = self._arrays()
            copies = [array.copy() for array in arrays]
            values = self._values(arrays, k)
            self.expect(bool(np.isfinite(values).all()), f"not finite at k={k}: {values}")
            self.expect(low is None or bool((values >= low - 1e-12).all()), f"below {low} at k={k}: {values.min()}")
            self.expect(high is None or bool((values <= high + 1e-12).all()), f"above {high} at k={k}: {values.max()}")
            unchanged = all(np.array_equal(old, new) for old, new in zip(copies, arrays, strict=True))
            self.expect(unchanged, "it changes its inputs")

    def test_rows_may_stand_in_any_order(self) -> None:
        """Permuting users or rows permutes the values, or leaves the one value."""
        arrays = self._arrays()
        order = np.random.default_rng(1).permutation(len(arrays[0]))
        permuted = tuple(array[order] if len(array) == len(order) else array for array in arrays)
        values, again = self._values(arrays, 5), self._values(permuted, 5)
        expected = values[order] if len(values) == len(order) else values
        self.expect(np.allclose(again, expected, rtol=1e-12, atol=1e-12), "the order of the rows changes values")

    def test_ranks_beyond_k_do_not_count(self) -> None:
        """What stands behind rank k changes nothing."""
        self.skip_unless(issubclass(self.component_class, RankingMetric | CatalogueMetric), "not about lists")
        first, *rest = self._arrays()
        changed = first.copy()
        changed[:, 5:] = changed[::-1, 5:]
        values, again = self._values((first, *rest), 5), self._values((changed, *rest), 5)
        self.expect(np.allclose(values, again), "ranks beyond k change the value at k")

    def test_perfect_predictions_are_best(self) -> None:
        """No prediction beats the perfect one, in the direction of `higher_is_better`."""
        higher = self.component_class.higher_is_better
        applies = higher is not None and not issubclass(self.component_class, CatalogueMetric)
        self.skip_unless(applies, "no prediction is perfect for this metric")
        sign = 1.0 if higher else -1.0
        best, values = self._values(self._perfect(), 5), self._values(self._arrays(), 5)
        self.expect(bool((sign * best >= sign * values - 1e-12).all()), "a perfect prediction is not the best")
        self.expect(bool((sign * best).mean() > (sign * values).mean()), "a perfect prediction is no better than noise")

    def _values(self, arrays: Arrays, k: int) -> npt.NDArray[np.float64]:
        metric = self.build()
        if isinstance(metric, RankingMetric):
            values = metric.per_user(arrays[0], arrays[1], k)
            right = values.shape == (len(arrays[0]),) and values.dtype == np.float64
            self.expect(right, f"per_user gives {values.dtype} of shape {values.shape}")
            return values
        if isinstance(metric, CatalogueMetric):
            return np.array([metric.value(arrays[0], arrays[1], len(arrays[0]), k)], np.float64)
        return np.array([metric.value(arrays[0], arrays[1])], np.float64)

    def _arrays(self) -> Arrays:
        rng = np.random.default_rng(0)
        if issubclass(self.component_class, RankingMetric):
            hit_UK = rng.random((40, 12)) < 0.25
            return hit_UK, np.maximum(hit_UK.sum(1) + rng.integers(0, 4, 40), 1).astype(np.int64)
        if issubclass(self.component_class, CatalogueMetric):
            count_I = rng.integers(1, 9, 30).astype(np.int64)
            return np.array([rng.permutation(30)[:12] for _ in range(25)], np.int64), count_I
        if issubclass(self.component_class, LabelMetric):
            return (rng.random(60) < 0.4).astype(np.float64), rng.uniform(0.01, 0.99, 60)
        return rng.integers(1, 6, 60).astype(np.float64), rng.uniform(1.0, 5.0, 60)

    def _perfect(self) -> Arrays:
        first, second = self._arrays()
        if issubclass(self.component_class, RankingMetric):
            return np.arange(first.shape[1])[None, :] < second[:, None], second
        if issubclass(self.component_class, LabelMetric):
            return first, np.clip(first, 1e-6, 1.0 - 1e-6)
        return first, first.copy()
