"""The conformance kit for plugin authors: one class per kind, known-answer worlds, and slow literal oracles.

A plugin's test file is a few lines::

    from reccli.testing import LossConformance

    class TestMyLoss(LossConformance):
        component = "my-loss"      # the registered name, or the class itself
        settings = {"margin": 0.5}

and pytest runs every check of the kind on it. Nothing here imports pytest; a check that fails says so by AssertionError
with the component's name, one that does not apply by `unittest.SkipTest`.
"""

from reccli.testing.auxiliaries import AuxiliaryConformance
from reccli.testing.encoders import EncoderConformance
from reccli.testing.losses import LossConformance
from reccli.testing.metrics import MetricConformance
from reccli.testing.objectives import ObjectiveConformance
from reccli.testing.readers import ReaderConformance
from reccli.testing.samplers import SamplerConformance
from reccli.testing.worlds import World, checkerboard, held_out_first

__all__ = [
    "AuxiliaryConformance",
    "EncoderConformance",
    "LossConformance",
    "MetricConformance",
    "ObjectiveConformance",
    "ReaderConformance",
    "SamplerConformance",
    "World",
    "checkerboard",
    "held_out_first",
]
