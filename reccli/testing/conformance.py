"""What the conformance classes of all kinds share."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar
from unittest import SkipTest

from pydantic import ValidationError

from reccli import registry
from reccli.api import API_VERSION, Choices, Component, Range
from reccli.api.needs import needs_of

__all__ = ["Conformance"]


class Conformance:
    """Checks that hold for a component of any kind; a subclass of a kind's class sets the two attributes.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with, where the defaults are not what is to be tested.
    """

    kind: ClassVar[str] = ""
    component: ClassVar[str | type[Component] | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}

    @property
    def component_class(self) -> type[Any]:
        """The class under test, by way of the registry where a name was given."""
        if isinstance(self.component, str):
            return registry.load(self.kind, self.component)
        if self.component is None:
            raise AssertionError(f"{type(self).__name__} must set `component` to a registered name or a class")
        return self.component

    def build(self) -> Any:
        """Return a fresh component with the settings under test."""
        return self.component_class(self.component_class.Settings(**self.settings))

    def expect(self, holds: bool, message: str) -> None:
        """Fail with the component's name in front unless something holds."""
        if not holds:
            raise AssertionError(f"{self.kind} {self.component_class.__name__}: {message}")

    def skip_unless(self, applies: bool, reason: str) -> None:
        """Skip the check where it does not apply to this component."""
        if not applies:
            raise SkipTest(reason)

    def test_is_registered(self) -> None:
        """An entry point of the kind's group leads to exactly this class."""
        values = {entry.value.replace(" ", "") for entry in registry.entries(self.kind)}
        value = f"{self.component_class.__module__}:{self.component_class.__qualname__}"
        self.expect(value in values, f"no entry point {registry.KINDS[self.kind]} has the value {value!r}")

    def test_speaks_this_api_version(self) -> None:
        """It is written for the plugin API that is installed."""
        version = self.component_class.api_version
        self.expect(version == API_VERSION, f"api_version is {version}, installed is {API_VERSION}")

    def test_is_documented(self) -> None:
        """The class has a docstring of its own, and so has every setting."""
        words = (self.component_class.__dict__.get("__doc__") or "").split()
        self.expect(len(words) > 3, "the class has no docstring of its own")
        self.expect(not inspect.isabstract(self.component_class), "the class has abstract methods left")
        for name, field in self.component_class.Settings.model_fields.items():
            self.expect(bool((field.description or "").strip()), f"setting '{name}' has no docstring under it")

    def test_settings_round_trip(self) -> None:
        """Settings survive JSON, refuse unknown names, and cannot be changed."""
        settings_class = self.component_class.Settings
        settings = settings_class(**self.settings)
        again = settings_class.model_validate_json(settings.model_dump_json())
        self.expect(again == settings, f"settings {settings!r} came back from JSON as {again!r}")
        self.expect(self.component_class(settings).settings == settings, "the component does not keep its settings")
        try:
            settings_class(**{**self.settings, "no_such_setting": 1})
        except ValidationError:
            pass
        else:
            raise AssertionError(f"{self.component_class.__name__}.Settings accepts unknown names")
        self.expect(bool(settings_class.model_config.get("frozen")), "settings are not frozen")

    def test_search_spaces(self) -> None:
        """A declared search space holds the default, is one that can be searched, and is taken value by value."""
        settings_class = self.component_class.Settings
        for name, field in settings_class.model_fields.items():
            declared = [entry for entry in field.metadata if isinstance(entry, Range | Choices)]
            self.expect(len(declared) < 2, f"setting '{name}' has {len(declared)} search spaces")
            for space in declared:
                self._searchable(name, space)
                default = field.get_default(call_default_factory=True)
                self.expect(space.holds(default), f"setting '{name}': its default {default!r} is not in {space}")
                for value in _values(space):
                    taken = self._taken(name, value)
                    self.expect(taken == value, f"setting '{name}' makes {taken!r} of {value!r}, which is in its space")

    def test_needs_of_settings(self) -> None:
        """What a setting needs of the data, its default does not, unless the component itself does."""
        component = self.component_class
        for name, need in needs_of(component.Settings).items():
            default = component.Settings.model_fields[name].get_default(call_default_factory=True)
            self.expect(
                default in need.unless or need.what in component.needs,
                f"setting '{name}': its default {default!r} needs {need.what}, which the component does not",
            )

    def _searchable(self, name: str, space: Range | Choices) -> None:
        if isinstance(space, Choices):
            few = f"setting '{name}' has fewer than two different choices"
            self.expect(len(set(map(repr, space.values))) == len(space.values) > 1, few)
            return
        self.expect(space.low < space.high, f"setting '{name}': {space} is no range")
        self.expect(not space.log or space.low > 0, f"setting '{name}': a log range begins above 0, not at {space.low}")

    def _taken(self, name: str, value: Any) -> Any:
        try:
            return getattr(self.component_class.Settings(**{**self.settings, name: value}), name)
        except ValidationError as error:
            refused = error.errors()[0]["msg"]
            raise AssertionError(
                f"{self.kind} {self.component_class.__name__}: setting '{name}' refuses {value!r}: {refused}"
            ) from None


def _values(space: Range | Choices) -> tuple[Any, ...]:
    return space.values if isinstance(space, Choices) else (space.low, space.high)
