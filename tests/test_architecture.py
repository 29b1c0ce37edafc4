"""The house stands as designed: imports run downwards, heavy and unsafe things stay where they belong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "reccli"
FILES = sorted(SOURCE.rglob("*.py"))
COMPONENTS = ("auxiliaries", "encoders", "losses", "metrics", "objectives", "readers", "samplers")

# A module may import from rooms of a lower level, and from its own room.
LEVELS = {
    "errors": 0,
    "failpoint": 0,
    "api": 1,
    "settings": 1,
    "schemas": 1,
    "manifest": 1,
    "tensor_files": 1,
    "nn": 2,
    "registry": 2,
    "workspace": 2,
    "config": 2,
    **dict.fromkeys(COMPONENTS, 3),
    "readers": 4,
    "artifacts": 3,
    "evaluation": 3,
    "intake": 3,
    "preparation": 4,
    "retrieval": 3,
    "report": 4,
    "training": 5,
    "testing": 5,
    "stages": 6,
    "cli": 7,
    "__main__": 8,
    "__init__": 0,
}


def room(path: Path) -> str:
    """Return the top-level module or package of a file under reccli."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every imported module, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            if node.module == "reccli":
                yield from ((node.lineno, f"reccli.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_downwards(path: Path) -> None:
    here = room(path)
    assert here in LEVELS, f"{here} is a new room: give it a level"
    for line, module in imported(path):
        parts = module.split(".")
        if parts[0] != "reccli" or len(parts) == 1:
            continue
        there = parts[1]
        if there not in LEVELS:  # a name of the package itself, as __version__
            continue
        ok = there == here or LEVELS[there] < LEVELS[here]
        assert ok, f"{path}:{line}: {here} imports {there}"


@pytest.mark.parametrize("kind", COMPONENTS)
def test_components_use_what_a_third_party_may_use(kind: str) -> None:
    for path in sorted((SOURCE / kind).glob("*.py")):
        for line, module in imported(path):
            if module.startswith("reccli."):
                allowed = module.startswith(("reccli.api", "reccli.errors", "reccli.nn"))
                helper = kind == "readers" and module.startswith(("reccli.intake", "reccli.readers"))
                assert allowed or helper, f"{path}:{line}: {module}"


def test_only_the_command_line_knows_typer_and_rich() -> None:
    for path in FILES:
        if room(path) != "cli":
            for line, module in imported(path):
                assert module.split(".")[0] not in ("typer", "rich", "click"), f"{path}:{line}: {module}"


def top_level_imports(path: Path) -> set[str]:
    """Return packages imported when the module is."""
    found: set[str] = set()
    nodes: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.If | ast.Try | ast.With):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def test_the_way_of_raw_data_and_of_help_is_free_of_torch() -> None:
    light = {
        "cli",
        "intake",
        "preparation",
        "readers",
        "metrics",
        "config",
        "settings",
        "registry",
        "workspace",
        "manifest",
    }
    heavy = {"torch", "transformers", "sklearn", "peft"}
    for path in FILES:
        if room(path) in light:
            assert not top_level_imports(path) & heavy, path


FORBIDDEN = {
    "pickle": r"\bimport pickle\b|\bfrom pickle\b|cloudpickle|\bdill\b|\bmarshal\b|\bshelve\b",
    "torch.load": r"\btorch\.(load|save)\(",
    "joblib files": r"\bjoblib\.(load|dump)\(|from joblib import .*\b(load|dump)\b",
    "numpy pickles": r"allow_pickle\s*=\s*True",
    "eval": r"(?<![\w.])(eval|exec)\(",
    "yaml": r"\byaml\.load\(",
    "shell": r"shell\s*=\s*True",
    "mktemp": r"tempfile\.mktemp\(",
    "remote code": r"trust_remote_code\s*=\s*True",
}


@pytest.mark.fault(121)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_f121_nothing_unsafe(name: str) -> None:
    plugins = sorted((ROOT / "plugins").glob("*/*.py")) + sorted((ROOT / "plugins").glob("*/src/**/*.py"))
    for path in [*FILES, *plugins]:
        found = re.search(FORBIDDEN[name], path.read_text(encoding="utf-8"))
        assert not found, f"{path}: {found and found.group(0)}"


def test_the_guard_against_unsafe_code_works() -> None:
    assert re.search(FORBIDDEN["torch.load"], "x = torch.load('a')")
    assert re.search(FORBIDDEN["eval"], "y = eval('a')")
    assert not re.search(FORBIDDEN["eval"], "model.eval()")


def test_no_naked_asserts_and_no_prints_in_shipped_code() -> None:
    for path in FILES:
        if room(path) == "testing":  # a test kit asserts by trade
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not called, path


def test_files_are_short() -> None:
    for path in FILES:
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= 300, f"{path.relative_to(ROOT).as_posix()} has {length} lines"


def test_exports_are_sorted_and_exist() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name)), path


def test_everything_public_is_documented() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body:
            public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
            assert not public or ast.get_docstring(node), f"{path}:{node.lineno}: {node.name} has no docstring"
