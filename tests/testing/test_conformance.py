from __future__ import annotations

from typing import Annotated
from unittest import SkipTest

import pytest
from pydantic import Field

from reccli.api import Choices, Component, ComponentSettings, Needs, Range
from reccli.losses.bpr import BPR
from reccli.testing import LossConformance
from reccli.testing.conformance import Conformance


class Loose(ComponentSettings):
    model_config = {"extra": "ignore"}


class Thawed(ComponentSettings):
    model_config = {"frozen": False}


class Undocumented(Component):
    class Settings(ComponentSettings):
        size: int = 1


class Wordy(Component):
    """A component with a setting that has no words."""

    class Settings(ComponentSettings):
        size: int = 1


class LooseComponent(Component):
    """A component that takes any setting."""

    Settings = Loose


class ThawedComponent(Component):
    """A component whose settings can change."""

    Settings = Thawed


class Old(BPR):
    """A loss of another age."""

    api_version = 0


class Forgetful(Component):
    """A component that loses its settings."""

    def __init__(self, settings=None):
        super().__init__(None)


class ForgetfulWithSize(Forgetful):
    """A component that loses its settings, of which it has one."""

    class Settings(ComponentSettings):
        size: int = 1
        """Words."""


def searched(annotation, default):
    """A component with one setting of a search space."""

    class Settings(ComponentSettings):
        size: annotation = default
        """Words."""

    return type("Searched", (Component,), {"Settings": Settings})


@pytest.mark.parametrize(
    ("annotation", "default", "match"),
    [
        (Annotated[float, Range(1, 2), Range(1, 3)], 1.0, "setting 'size' has 2 search spaces"),
        (Annotated[float, Range(2, 1)], 1.5, "2 to 1 is no range"),
        (Annotated[float, Range(0, 1, log=True)], 0.5, "a log range begins above 0, not at 0"),
        (Annotated[float, Range(1, 2)], 3.0, "its default 3.0 is not in 1 to 2"),
        (Annotated[float, Range(1, 2)], Field(default=1.0, le=1.5), "refuses 2: Input should be less than or equal"),
        (Annotated[int, Range(1, 2.5)], 1, "refuses 2.5: Input should be a valid integer"),
        (Annotated[int, Choices((1,))], 1, "fewer than two different choices"),
        (Annotated[int, Choices((1, 1))], 1, "fewer than two different choices"),
        (Annotated[int, Choices((1, 2))], 3, "its default 3 is not in 1, 2"),
        (Annotated[int, Choices((1, "2"))], 1, "makes 2 of '2', which is in its space"),
    ],
)
def test_a_search_space_that_cannot_be_searched_is_found(fails, annotation, default, match):
    fails(Conformance, searched(annotation, default), "test_search_spaces", match)


def test_search_spaces_that_can_be_searched_pass():
    for annotation, default in [
        (Annotated[float, Range(0.5, 2, log=True)], Field(default=1.0, gt=0)),
        (Annotated[int, Range(1, 8)], 4),
        (Annotated[int | str, Choices(("auto", 2))], "auto"),
        (int, 3),
    ]:
        type("Kit", (Conformance,), {"component": searched(annotation, default)})().test_search_spaces()


def test_a_default_that_needs_what_its_component_does_not_is_found(fails):
    greedy = searched(Annotated[float, Needs("time", unless=(0.0,))], 0.5)
    fails(Conformance, greedy, "test_needs_of_settings", "its default 0.5 needs time, which the component does not")
    greedy.needs = frozenset({"time"})
    for component in (greedy, searched(Annotated[float | None, Needs("time")], None)):
        type("Kit", (Conformance,), {"component": component})().test_needs_of_settings()


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (Undocumented, "test_is_documented", "no docstring of its own"),
        (Wordy, "test_is_documented", "setting 'size' has no docstring"),
        (LooseComponent, "test_settings_round_trip", "accepts unknown names"),
        (ThawedComponent, "test_settings_round_trip", "not frozen"),
        (Old, "test_speaks_this_api_version", "api_version is 0, installed is 1"),
        (Old, "test_is_registered", "no entry point reccli.losses has the value '.*:Old'"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(Conformance, component, check, match, kind="loss")


def test_lost_settings_are_found(fails):
    fails(Conformance, ForgetfulWithSize, "test_settings_round_trip", "keep its settings", settings={"size": 2})


def test_a_class_and_a_name_are_the_same():
    named = type("Kit", (LossConformance,), {"component": "bpr"})()
    classy = type("Kit", (LossConformance,), {"component": BPR})()
    assert named.component_class is classy.component_class is BPR
    for kit in (named, classy):
        kit.test_is_registered()
        kit.test_is_documented()


def test_without_a_component_it_says_what_to_set():
    with pytest.raises(AssertionError, match="must set `component`"):
        LossConformance().build()


def test_a_check_that_does_not_apply_is_skipped_with_the_reason():
    with pytest.raises(SkipTest, match="because"):
        Conformance().skip_unless(False, "because")
    Conformance().skip_unless(True, "because")
