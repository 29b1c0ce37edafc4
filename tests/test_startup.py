"""Start-up: what is imported when, and that help is instant by construction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "polars", "pyarrow", "transformers", "sklearn", "scipy", "joblib", "peft", "optuna", "numpy"),
    "pydantic",
)


def loaded(code: str) -> set[str]:
    """Return which heavy packages a piece of code leaves imported in a fresh interpreter."""
    probe = f"import sys\n{code}\nsys.stderr.write('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def call(*arguments: str) -> str:
    return f"from reccli.cli.main import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass"


def test_importing_reccli_imports_nothing_else() -> None:
    assert loaded("import reccli") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(call(*arguments)) <= {"pydantic"}  # typer itself needs it to read a switch


@pytest.mark.parametrize(
    "command", ["prepare", "pretrain", "finetune", "tune", "evaluate", "recommend", "status", "check"]
)
def test_a_command_s_help_imports_no_tensors(command: str) -> None:
    heavy = {"torch", "transformers", "sklearn", "scipy", "polars", "pyarrow", "optuna"}
    assert not loaded(call(command, "--help")) & heavy


@pytest.mark.fault(108)
def test_f108_listing_plugins_imports_none_of_them() -> None:
    assert not loaded(call("plugins", "list")) & {"torch", "transformers", "sklearn", "polars"}


def test_prepare_never_needs_tensors(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text("user,item\n" + "".join(f"u{n % 5},i{n}\n" for n in range(50)))
    assert "torch" not in loaded(call("prepare", str(file), "-w", str(tmp_path / "ws"), "-q"))
    assert (tmp_path / "ws" / "prepare" / "main" / "CURRENT").is_file()


@pytest.mark.fault(130)
def test_f130_libraries_are_told_to_stay_offline() -> None:
    code = "import reccli, os\nsys.stdout.write(os.environ['HF_HUB_OFFLINE'] + os.environ['DO_NOT_TRACK'])"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=True)
    assert done.stdout == "11"
