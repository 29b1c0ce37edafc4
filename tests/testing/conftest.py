"""How the kit is tested: a faulty component must fail the one check that is about its fault."""

from __future__ import annotations

from unittest import SkipTest

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def fails():
    """Run one check of a kit on a component and want its message."""

    def check(kit, component, name, match, **attributes):
        sub = type("Kit", (kit,), {"component": component, **attributes})
        with pytest.raises(AssertionError, match=match):
            getattr(sub(), name)()

    return check


@pytest.fixture
def passes():
    """Run all checks of a kit on a component, save the one of registration, which a test's component cannot pass."""

    def check(kit, component, **attributes):
        sub = type("Kit", (kit,), {"component": component, **attributes})
        ran = []
        for name in dir(sub):
            if name.startswith("test_") and name != "test_is_registered":
                try:
                    getattr(sub(), name)()
                except SkipTest:
                    continue
                ran.append(name)
        return ran

    return check
