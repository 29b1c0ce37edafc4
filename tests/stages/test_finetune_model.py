"""`finetune --aux` from prepared data to a committed run: the log, the fingerprint, exact resume, and lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shop import shop

from reccli.artifacts import Prepared, read_vectors
from reccli.errors import ConfigError, Interrupted
from reccli.settings import EvaluateSettings, FinetuneSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

torch.set_num_threads(1)
SMALL: dict[str, Any] = {"dim": 8, "start": "random"}
RUNS = [("lightgcn", "simgcl:0.1+ncl:0.05"), ("lightgcn", "xsimgcl"), ("sasrec", "cl4srec:0.1+duorec:0.1")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return shop(tmp_path_factory.mktemp("shop"), split="leave-one-out")


def run(workspace: Workspace, encoder: str, *, control: Control | None = None, **values: Any) -> StageResult:
    given = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02, "encoder_settings": SMALL, **values}
    settings = FinetuneSettings(encoder=encoder, device="cpu", threads=1, **given)
    return finetune(workspace, settings, control or Control())


class StopAfter:
    left = 6

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


@pytest.mark.parametrize(("encoder", "aux"), RUNS)
def test_resumed_is_bit_equal_and_opens_again(encoder: str, aux: str, workspace: Workspace) -> None:
    whole = run(workspace, encoder, aux=aux, name="whole").version
    with pytest.raises(Interrupted):
        run(workspace, encoder, aux=aux, name="parts", control=Control(stop=StopAfter()))
    said: list[str] = []
    parts = run(workspace, encoder, aux=aux, name="parts", control=Control(say=said.append)).version
    assert any("resuming" in line for line in said)
    assert whole is not None
    assert parts is not None
    for artifact in ("item_vectors", "user_vectors", "training_log"):
        assert whole.read(artifact).equals(parts.read(artifact))
    fitted = load_encoder(whole, Prepared(workspace.current("prepare")))
    np.testing.assert_array_equal(fitted.item_vectors(), read_vectors(whole, "item_vectors"))


def test_the_log_and_the_manifest_have_it(workspace: Workspace) -> None:
    said: list[str] = []
    result = run(workspace, "lightgcn", aux="simgcl:0.2+ncl", control=Control(say=said.append))
    assert result.version is not None
    assert result.version.name == "lightgcn-softmax-simgcl-ncl"
    assert "beside it simgcl 0.2, ncl 0.01" in said[0]
    log = result.version.read("training_log")
    for name in ("loss.aux.simgcl", "loss.aux.ncl"):
        values = log.filter(log["metric"] == name)
        assert values["epoch"].to_list() == [1, 2, 3]
        assert values["value"].min() > 0
    manifest = result.version.manifest
    assert manifest.facts["auxiliaries"] == {"simgcl": 0.2, "ncl": 0.01}
    assert {"aux:simgcl", "aux:ncl"} <= set(manifest.components)


def test_weights_and_settings_are_part_of_the_fingerprint(workspace: Workspace) -> None:
    def state(**values: Any) -> tuple[str, tuple[str, ...]]:
        result = run(workspace, "lightgcn", name="print", epochs=1, **values)
        return result.status, result.why

    assert state(aux="simgcl:0.1")[0] == "done"
    assert state(aux="simgcl", aux_settings={"simgcl.weight": 0.1})[0] == "up to date"
    assert state(aux="simgcl:0.2") == ("done", ("settings changed: aux_settings",))
    assert state(aux="simgcl:0.2", aux_settings={"noise": 0.3})[0] == "done"
    assert "settings changed: aux, aux_settings" in state()[1]


def test_it_is_refitted_and_evaluated(workspace: Workspace) -> None:
    refitted = run(workspace, "lightgcn", aux="xsimgcl", name="again", refit=True, as_of="test").version
    assert refitted is not None
    assert refitted.name == "again-refit-test"
    settings = EvaluateSettings(runs=(refitted.name,), metrics=("recall",), ks=(3,), resamples=0, device="cpu")
    assert evaluate(workspace, settings, Control()).status == "done"


def test_misfits_are_said_before_data_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aux 'simgcl' contrasts views of the graph, and encoder 'history' has none"):
        run(Workspace(tmp_path / "nothing"), "history", aux="simgcl")
    with pytest.raises(ConfigError, match="no aux called 'simgl'"):
        run(Workspace(tmp_path / "nothing"), "lightgcn", aux="simgl")
