"""The shipped conformance checks on `popularity`; what it ranks is in the matrix of components."""

from __future__ import annotations

from reccli.testing import EncoderConformance


class TestPopularity(EncoderConformance):
    component = "popularity"
