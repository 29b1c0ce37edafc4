"""The registry: names without imports, suggestions, clashes, broken plugins, and every built-in in its place."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt

from reccli import registry
from reccli.cli.plugins import check_cli, list_cli
from reccli.errors import ConfigError, Interrupted, PluginError

ROOT = Path(__file__).resolve().parent.parent
BUILTINS = [entry for entry in registry.entries() if entry.builtin]
FOLDERS = {kind: group.removeprefix("reccli.") for kind, group in registry.KINDS.items()}
API_BASES = {"Auxiliary", "Reader", "Encoder", "Loss", "Sampler", "Objective"} | {
    f"{sort}Metric" for sort in ("Ranking", "Rating", "Label", "Catalogue")
}
GOOD = """
from reccli.api import Loss
class Good(Loss):
    '''A loss for a test.'''
class Old(Good):
    api_version = 0
number = 3
def function(): ...
"""


@pytest.fixture(autouse=True)
def _fresh_registry():
    registry._all_entries.cache_clear()
    yield
    registry._all_entries.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a made-up distribution on the path: name, module's source, entry points by group."""

    def install(name, source=GOOD, *, module=None, **groups):
        module = module or name.replace("-", "_")
        site = tmp_path / name
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
        lines = []
        for group, points in groups.items():
            lines += [f"[reccli.{group}]", *(f"{key} = {value}" for key, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)
        registry._all_entries.cache_clear()

    return install


def said(kind, name):
    """Message and hint of the error that loading raises."""
    with pytest.raises(PluginError) as caught:
        registry.load(kind, name)
    return caught.value.message, caught.value.hint


@pytest.mark.fault(108)
def test_names_come_without_importing_a_component():
    code = (
        "import sys; from reccli import registry\n"
        "names = [registry.names(kind) for kind in registry.KINDS]\n"
        "assert 'bpr' in registry.names('loss'), names\n"
        "values = {entry.value.split(':')[0] for entry in registry.entries()}\n"
        "print(sorted((values | {'torch', 'polars'}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_names_are_sorted_and_unique():
    for kind in registry.KINDS:
        assert registry.names(kind) == sorted(set(registry.names(kind)))


def test_a_mistyped_name_gets_the_nearest_and_all_names():
    with pytest.raises(ConfigError, match="no loss called 'infonec'; did you mean 'infonce'") as caught:
        registry.find("loss", "infonec")
    assert "bce, bpr" in caught.value.message
    assert caught.value.hint == "reccli plugins list --kind loss"


@pytest.mark.fault(100)
def test_two_packages_with_one_name_are_an_error_that_names_both(install):
    for name in ("test-one", "test-two"):
        install(name, losses={"twin": f"{name.replace('-', '_')}:Good"})
    message, hint = said("loss", "twin")
    assert message == "two packages register the loss 'twin': test-one and test-two"
    assert hint == "name one of them in full, as in 'test-one:twin'"
    assert registry.load("loss", "test-two:twin").__module__ == "test_two"
    assert registry.load("loss", "Test_One:twin").__module__ == "test_one"


@pytest.mark.fault(100)
def test_a_built_in_is_never_shadowed(install):
    install("test-shadow", losses={"bpr": "test_shadow:Good"})
    assert registry.load("loss", "bpr").__module__ == "reccli.losses.bpr"
    assert registry.load("loss", "reccli:bpr").__module__ == "reccli.losses.bpr"
    assert registry.load("loss", "test-shadow:bpr").__module__ == "test_shadow"
    found = {registry.address(entry) for entry in registry.entries("loss") if entry.name == "bpr"}
    assert found == {"bpr", "test-shadow:bpr"}


def test_a_name_that_is_taken_is_told_by_list_and_check(install, capsys):
    install("test-shadow", losses={"bpr": "test_shadow:Good"})
    list_cli("loss", as_json=False)
    assert re.search(r"^loss +test-shadow:bpr +test-shadow 1.2$", capsys.readouterr().out, re.MULTILINE)
    check_cli(as_json=False)
    assert "loss 'bpr' of test-shadow is found as test-shadow:bpr\n" in capsys.readouterr().out


def test_one_package_on_the_path_twice_is_no_clash(install, tmp_path, monkeypatch):
    install("test-twice", losses={"twice": "test_twice:Good"})
    copy = shutil.copytree(tmp_path / "test-twice", tmp_path / "copy")
    monkeypatch.syspath_prepend(str(copy))
    registry._all_entries.cache_clear()
    assert [entry.name for entry in registry.entries("loss") if entry.distribution == "test-twice"] == ["twice"]
    assert registry.load("loss", "twice").__name__ == "Good"


@pytest.mark.fault(99)
@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_plugin_hurts_only_those_who_use_it(install, source, named):
    install("test-broken", source, losses={"broken": "test_broken:Good"})
    message, hint = said("loss", "broken")
    assert message.startswith("loss 'broken' of test-broken 1.2 (test_broken:Good) cannot be imported: ")
    assert named in message
    assert hint == "update or uninstall it: pip uninstall test-broken"
    assert "broken" in registry.names("loss")
    assert registry.load("loss", "bpr").__name__ == "BPR"


@pytest.mark.fault(101)
@pytest.mark.parametrize(
    ("kind", "value", "named"),
    [
        ("loss", "test_wrong:Missing", "AttributeError: module 'test_wrong' has no attribute 'Missing'"),
        ("loss", "test_wrong:number", "is not a subclass of reccli.api.Loss"),
        ("loss", "test_wrong:function", "is not a subclass of reccli.api.Loss"),
        ("sampler", "test_wrong:Good", "is not a subclass of reccli.api.Sampler"),
        ("loss", "test_wrong:Old", "is written for plugin API 0, this is 1"),
    ],
)
def test_what_is_no_component_is_refused(install, kind, value, named):
    install("test-wrong", **{FOLDERS[kind]: {"wrong": value}})
    message, _ = said(kind, "wrong")
    assert named in message
    assert "test-wrong 1.2" in message


@pytest.mark.fault(106)
@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, {"one-loss", "two-loss"}),
        ("", set()),
        (" , ", set()),
        ("test-one", {"one-loss"}),
        ("Test_One , test.two", {"one-loss", "two-loss"}),
        ("someone-else", set()),
    ],
)
def test_the_allow_list_decides_which_packages_are_seen(install, monkeypatch, allowed, expected):
    for name in ("one", "two"):
        install(f"test-{name}", losses={f"{name}-loss": f"test_{name}:Good"})
    if allowed is None:
        monkeypatch.delenv("RECCLI_PLUGINS", raising=False)
    else:
        monkeypatch.setenv("RECCLI_PLUGINS", allowed)
    assert set(registry.names("loss")) & {"one-loss", "two-loss"} == expected
    assert "bpr" in registry.names("loss")


def test_settings_are_named_in_full_when_they_are_wrong():
    with pytest.raises(
        ConfigError, match="no setting of loss 'infonce' called 'temprature'; did you mean 'temperature'"
    ):
        registry.settings_of("loss", "infonce", {"temprature": 0.1})
    with pytest.raises(ConfigError, match=r"loss\.temperature=-1: input should be greater than 0") as caught:
        registry.settings_of("loss", "infonce", {"temperature": -1})
    with pytest.raises(ConfigError, match=r"^encoder\.train='al': expected one of auto, head, lora, all, last-N$"):
        registry.settings_of("encoder", "bert", {"train": "al"})
    either = r"^encoder\.l2=0: input should be greater than 0, or input should be 'auto'$"
    with pytest.raises(ConfigError, match=either):
        registry.settings_of("encoder", "als", {"l2": 0})
    with pytest.raises(ConfigError, match=r"^encoder\.power=inf: input should be a finite number, or "):
        registry.settings_of("encoder", "als", {"power": float("inf")})
    assert caught.value.hint == "reccli plugins show loss infonce"


def test_create_builds_with_settings():
    loss = registry.create("loss", "infonce", {"temperature": 0.07})
    assert loss.settings.temperature == 0.07
    assert registry.create("loss", "mse").settings.model_dump() == {}


def test_provenance_names_package_and_version(install):
    install("test-one", losses={"one-loss": "test_one:Good"})
    got = registry.provenance([("loss", "bpr"), ("loss", "test-one:one-loss")])
    assert got == {"loss:bpr": f"reccli {distribution('reccli').version}", "loss:one-loss": "test-one 1.2"}


@pytest.mark.parametrize(
    "folder", [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))], ids=lambda path: path.name
)
def test_installed_entry_points_are_those_of_pyproject(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    written = {
        (group, name, value) for group, points in project["entry-points"].items() for name, value in points.items()
    }
    points = distribution(project["name"]).entry_points
    installed = {(point.group, point.name, point.value) for point in points if point.group.startswith("reccli.")}
    again = f"pip install --no-deps -e {folder.relative_to(ROOT)}"
    assert installed == written, f"{project['name']} is installed with other entry points: {again}"


def test_plugins_of_this_repository_are_found():
    found = {(entry.kind, entry.name): entry.distribution for entry in registry.entries() if not entry.builtin}
    assert found[("loss", "dcl")] == "reccli-dcl"
    assert found[("sampler", "mixed-negatives")] == "reccli-mixed-negatives"
    assert found[("encoder", "static-text")] == "reccli-static-text"


@pytest.mark.parametrize("entry", BUILTINS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_built_in_loads_is_documented_and_tested(entry):
    component = registry.load(entry.kind, entry.name)
    module = entry.value.partition(":")[0].rpartition(".")[2]
    assert entry.value.startswith(f"reccli.{FOLDERS[entry.kind]}."), "a built-in lives in its kind's folder"
    assert module == entry.name.replace("-", "_"), "a component's file is named after it"
    assert len((component.__doc__ or "").split()) > 3, "no docstring of its own"
    for name, field in component.Settings.model_fields.items():
        assert field.description, f"setting '{name}' has no docstring under it"
    test = ROOT / "tests" / FOLDERS[entry.kind] / f"test_{module}.py"
    assert test.is_file(), f"no test file {test.relative_to(ROOT)}"


def numbers(annotation, bounds=()):
    """Yield the kinds of numbers that a setting may be, and all that is said of each."""
    if get_origin(annotation) is Annotated:
        kind, *said = get_args(annotation)
        inner = [part for one in said for part in (one, *getattr(one, "metadata", ()))]
        yield from numbers(kind, (*bounds, *inner))
    elif annotation in (int, float):
        yield bounds
    else:
        for kind in get_args(annotation) if get_origin(annotation) is not Literal else ():
            yield from numbers(kind, bounds)


RATINGS = {("rating-accuracy", "levels"), ("rating-f1", "threshold")}
"""On the scale of the data, which may begin anywhere."""


@pytest.mark.parametrize("entry", BUILTINS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_number_that_is_set_has_a_least(entry):
    for name, field in registry.load(entry.kind, entry.name).Settings.model_fields.items():
        for bounds in numbers(field.annotation, tuple(field.metadata)):
            has_least = any(isinstance(bound, Ge | Gt) for bound in bounds)
            assert has_least or (entry.name, name) in RATINGS, f"setting '{name}' may be any number"


@pytest.mark.parametrize("entry", BUILTINS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_the_example_of_every_built_in_runs(entry):
    component = registry.load(entry.kind, entry.name)
    module = import_module(component.__module__)
    example = doctest.DocTestParser().get_doctest(
        inspect.getdoc(component) or "", dict(vars(module)), component.__name__, None, None
    )
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert not result.failed, "".join(said)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_component_file_is_registered(kind):
    registered = {entry.value for entry in BUILTINS}
    for path in sorted((ROOT / "reccli" / FOLDERS[kind]).glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                value = f"reccli.{FOLDERS[kind]}.{path.stem}:{node.name}"
                assert not bases & API_BASES or value in registered, f"{value} has no line in pyproject.toml"


def test_unregistered_component_files_would_be_noticed():
    """The rule above looks for these names, so they must be the API's."""
    from reccli import api

    assert set(api.__all__) >= API_BASES


def test_a_signal_during_an_import_breaks_no_plugin(install):
    source = "from reccli.errors import Interrupted\nraise Interrupted(2)\n"
    install("test-stopped", source, losses={"stopped": "test_stopped:Good"})
    with pytest.raises(Interrupted):
        registry.load("loss", "stopped")


def test_an_error_in_a_plugin_s_code_has_its_owner(install):
    install("test-broken", GOOD + "def fail(call):\n    return call()\n", losses={"broken": "test_broken:Good"})
    module = import_module("test_broken")

    def error_of(call):
        with pytest.raises(ZeroDivisionError) as caught:
            call()
        return caught.value

    owner = registry.owner_of(error_of(lambda: module.fail(lambda: 1 // 0)))
    assert (owner.distribution, owner.version) == ("test-broken", "1.2")
    assert registry.owner_of(error_of(lambda: 1 // 0)) is None
