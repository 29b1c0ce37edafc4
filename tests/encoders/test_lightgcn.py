"""The shipped conformance checks on `lightgcn`; what it ranks is in the matrix of components."""

from __future__ import annotations

from typing import Any

from reccli.testing import EncoderConformance


class TestLightGCN(EncoderConformance):
    component = "lightgcn"
    settings: dict[str, Any] = {"dim": 6, "layers": 2}
