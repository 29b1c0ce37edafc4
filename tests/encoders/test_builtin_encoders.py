"""The shipped conformance checks, on each id-based encoder that comes with reccli."""

from __future__ import annotations

from typing import Any

from reccli.testing import EncoderConformance


class TestPopularity(EncoderConformance):
    component = "popularity"


class TestSpectral(EncoderConformance):
    component = "spectral"
    settings: dict[str, Any] = {"rank": 4, "exponent": 0.5}


class TestSpectralAuto(EncoderConformance):
    component = "spectral"


class TestMF(EncoderConformance):
    component = "mf"
    settings: dict[str, Any] = {"dim": 6}


class TestMFRandom(EncoderConformance):
    component = "mf"
    settings: dict[str, Any] = {"dim": 6, "start": "random"}


class TestLightGCN(EncoderConformance):
    component = "lightgcn"
    settings: dict[str, Any] = {"dim": 6, "layers": 2}


class TestHistorySet(EncoderConformance):
    component = "history"
    settings: dict[str, Any] = {"dim": 6, "order": "set"}


class TestHistoryCausal(EncoderConformance):
    component = "history"
    settings: dict[str, Any] = {"dim": 6, "order": "causal", "window": 5}
