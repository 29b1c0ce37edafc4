"""Conformance of samplers. B batch rows, N negatives, I items."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from reccli.api import Context, Negatives, Sampler, TrainingData
from reccli.testing.conformance import Conformance
from reccli.testing.inputs import skewed_data

__all__ = ["SamplerConformance"]

ROWS = 16
DRAWS = 2_000
"""Batches drawn to compare frequencies with `log_q_N`."""


class SamplerConformance(Conformance):
    """Every check of a sampler.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with.
        draws_cold: Whether it may draw items that have no training interactions.
    """

    kind = "sampler"
    draws_cold: ClassVar[bool] = False

    def data(self) -> TrainingData:
        """Return the data that it is set up with; override for a sampler that needs more."""
        return skewed_data()

    def test_is_a_sampler(self) -> None:
        """It is a subclass of `reccli.api.Sampler`."""
        self.expect(issubclass(self.component_class, Sampler), "not a subclass of reccli.api.Sampler")

    def test_shapes(self) -> None:
        """Codes are int64 in range, shared or own; a batch of one works."""
        for rows in (ROWS, 1):
            data, sampler = self._ready()
            user_B, item_B = _draw_rows(data, rows, torch.Generator().manual_seed(1))
            got = sampler.sample(user_B, item_B, torch.Generator().manual_seed(2))
            self.expect(isinstance(got, Negatives), f"returned {type(got).__name__}, not Negatives")
            self.expect(got.shared_N is None or got.own_BN is None, "gives both shared and own negatives")
            for code in (got.shared_N, got.own_BN):
                if code is not None:
                    self.expect(code.dtype == torch.int64, f"codes are {code.dtype}")
                    self.expect(bool(((code >= 0) & (code < data.n_items)).all()), "codes outside the catalogue")
            if got.shared_N is not None:
                self.expect(got.shared_N.ndim == 1, f"shared_N has shape {tuple(got.shared_N.shape)}")
            if got.own_BN is not None:
                self.expect(got.own_BN.ndim == 2 and len(got.own_BN) == rows, f"own_BN: {tuple(got.own_BN.shape)}")
            if got.in_batch:
                self.expect(got.shared_N is not None and torch.equal(got.shared_N, item_B), "in_batch is not the batch")

    def test_generator_decides(self) -> None:
        """The same generator state gives the same draws, whatever torch's own generator is; two batches differ."""
        data, sampler = self._ready()
        _, again = self._ready()
        user_B, item_B = _draw_rows(data, ROWS, torch.Generator().manual_seed(1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            first = sampler.sample(user_B, item_B, torch.Generator().manual_seed(2))
            torch.manual_seed(2)
            second = again.sample(user_B, item_B, torch.Generator().manual_seed(2))
        self.expect(_equal(first, second), "the same generator gives other draws")
        if not first.in_batch and _codes(first).numel() > 1:
            others = [sampler.sample(user_B, item_B, torch.Generator().manual_seed(seed)) for seed in range(3, 8)]
            self.expect(not all(_equal(first, other) for other in others), "another generator gives the same draws")

    def test_cold_items_are_never_drawn(self) -> None:
        """Items without training interactions do not come."""
        self.skip_unless(not self.draws_cold, "this sampler may draw cold items")
        data, sampler = self._ready()
        cold_I = torch.from_numpy(data.item_count_I() == 0)
        self.expect(bool(cold_I.any()), "data() has no cold item to try")
        generator = torch.Generator().manual_seed(1)
        for _ in range(50):
            code = _codes(sampler.sample(*_draw_rows(data, ROWS, generator), generator))
            self.expect(not bool(cold_I[code].any()), "drew an item that has no training interactions")

    def test_log_q_is_what_is_drawn(self) -> None:
        """Over many batches, each item comes as often as `log_q_N` says."""
        data, sampler = self._ready()
        generator = torch.Generator().manual_seed(1)
        first = sampler.sample(*_draw_rows(data, ROWS, generator), generator)
        self.skip_unless(first.log_q_N is not None, "this sampler gives no probabilities")
        count_I, log_q_I = torch.zeros(data.n_items), torch.full((data.n_items,), -torch.inf)
        for _ in range(DRAWS):
            got = sampler.sample(*_draw_rows(data, ROWS, generator), generator)
            self.expect(got.shared_N is not None and got.log_q_N is not None, "probabilities come and go")
            if got.shared_N is not None and got.log_q_N is not None:
                self.expect(got.log_q_N.shape == got.shared_N.shape, f"log_q_N: {tuple(got.log_q_N.shape)}")
                self.expect(bool((got.log_q_N <= 1e-6).all()), "a log probability is above 0")
                count_I += torch.bincount(got.shared_N, minlength=data.n_items)
                log_q_I[got.shared_N] = got.log_q_N.float()
        expected_I = count_I.sum() * log_q_I.exp()
        error_I = (count_I - expected_I).abs() / expected_I.clamp_min(1.0).sqrt()
        worst = int(error_I.argmax())
        self.expect(
            float(error_I[worst]) < 6.0,
            f"item {worst} came {int(count_I[worst])} times, log_q_N says {float(expected_I[worst]):.1f}",
        )

    def _ready(self) -> tuple[TrainingData, Any]:
        data, sampler = self.data(), self.build()
        sampler.setup(data, Context(seed=7))
        return data, sampler


def _draw_rows(data: TrainingData, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    row_B = torch.randint(len(data.train), (rows,), generator=generator)
    return torch.from_numpy(data.train.user_E)[row_B], torch.from_numpy(data.train.item_E)[row_B]


def _codes(negatives: Negatives) -> Tensor:
    parts = [code.flatten() for code in (negatives.shared_N, negatives.own_BN) if code is not None]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def _equal(first: Negatives, second: Negatives) -> bool:
    return torch.equal(_codes(first), _codes(second))
