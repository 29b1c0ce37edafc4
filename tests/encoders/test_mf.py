"""The shipped conformance checks on `mf`; what it ranks is in the matrix of components."""

from __future__ import annotations

from typing import Any

from reccli.testing import EncoderConformance


class TestMF(EncoderConformance):
    component = "mf"
    settings: dict[str, Any] = {"dim": 6}


class TestMFRandom(EncoderConformance):
    component = "mf"
    settings: dict[str, Any] = {"dim": 6, "start": "random"}
