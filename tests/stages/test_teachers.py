"""`finetune --teacher`: what is recorded, what is refused, and exact resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from shop import shop

from reccli.errors import ConfigError, Interrupted, MissingArtifactError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.finetune import finetune
from reccli.workspace import Workspace

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = shop(tmp_path_factory.mktemp("shop"))
    run(workspace, encoder="mf", name="large", encoder_settings={"dim": 12})
    run(workspace, encoder="ease", name="ease", epochs=None)
    return workspace


def run(workspace: Workspace, *, control: Control | None = None, **values: Any) -> StageResult:
    settings = {"epochs": 3, "device": "cpu", "threads": 1, **values}
    return finetune(workspace, FinetuneSettings(**settings), control or Control())


def test_a_small_run_is_taught_and_names_its_teachers(workspace: Workspace) -> None:
    said: list[str] = []
    given: dict[str, Any] = {"encoder": "history", "name": "small", "encoder_settings": {"dim": 3}}
    taught = run(workspace, teacher=("large", "ease"), control=Control(say=said.append), **given)
    assert "taught by large + ease" in said
    manifest = taught.version.manifest
    assert manifest.facts["teachers"] == ["large", "ease"]
    assert {"finetune/large", "finetune/ease"} <= set(manifest.parents)
    assert run(workspace, teacher=("large", "ease"), **given).status == "up to date"
    alone = run(workspace, **given)
    assert alone.status == "done"
    assert not alone.version.read("item_vectors").equals(taught.version.read("item_vectors"))
    files = [version.path / "weights.safetensors" for version in (alone.version, taught.version)]
    assert files[0].stat().st_size == files[1].stat().st_size  # nothing of the teacher is stored


def test_a_teacher_made_anew_makes_its_student_anew(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    given: dict[str, Any] = {"encoder": "mf", "name": "small", "teacher": ("large",), "encoder_settings": {"dim": 3}}
    run(workspace, encoder="mf", name="large", encoder_settings={"dim": 12})
    run(workspace, **given)
    run(workspace, encoder="mf", name="large", encoder_settings={"dim": 11})
    again = run(workspace, **given)
    assert again.status == "done"
    assert "finetune/large is newer" in again.why


class StopAfter:
    left = 4

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


def test_resumed_is_bit_equal(tmp_path: Path, workspace: Workspace) -> None:
    given: dict[str, Any] = {"encoder": "history", "teacher": ("large",), "batch_size": 32, "loss": "infonce"}
    whole = run(workspace, name="whole", **given).version
    with pytest.raises(Interrupted):
        run(workspace, name="parts", control=Control(stop=StopAfter()), **given)
    parts = run(workspace, name="parts", **given).version
    for artifact in ("item_vectors", "user_vectors"):
        assert whole.read(artifact).equals(parts.read(artifact))


def test_a_refitted_teacher_must_not_teach_what_is_hidden(workspace: Workspace) -> None:
    run(workspace, encoder="mf", name="large", encoder_settings={"dim": 12}, refit=True)
    with pytest.raises(ConfigError, match="knows the valid part"):
        run(workspace, encoder="mf", name="small", teacher=("large-refit",))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"teacher": ("nobody",)}, MissingArtifactError, "no finetune run called 'nobody'"),
        ({"teacher": ("large",), "name": "large"}, ConfigError, "cannot teach itself"),
        ({"teacher": ("large",), "encoder": "ease", "epochs": None}, ConfigError, "encoder 'ease' cannot be taught"),
    ],
)
def test_what_does_not_fit_is_refused(
    workspace: Workspace, values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(workspace, **{"encoder": "mf", **values})


def test_ratings_are_not_taught(tmp_path: Path) -> None:
    workspace = shop(tmp_path, task="rating")
    with pytest.raises(ConfigError, match="a run for task rating cannot be taught"):
        run(workspace, encoder="mf", teacher=("large",))
