"""The shipped conformance checks on `spectral`; what it ranks is in the matrix of components."""

from __future__ import annotations

from typing import Any

from reccli.testing import EncoderConformance


class TestSpectral(EncoderConformance):
    component = "spectral"
    settings: dict[str, Any] = {"rank": 4, "exponent": 0.5}


class TestSpectralAuto(EncoderConformance):
    component = "spectral"
