"""The shipped conformance checks on `history`; what it ranks is in the matrix of components."""

from __future__ import annotations

from typing import Any

from reccli.testing import EncoderConformance


class TestHistorySet(EncoderConformance):
    component = "history"
    settings: dict[str, Any] = {"dim": 6, "order": "set"}


class TestHistoryCausal(EncoderConformance):
    component = "history"
    settings: dict[str, Any] = {"dim": 6, "order": "causal", "window": 5}
