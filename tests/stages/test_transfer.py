"""The guard against negative transfer: a sentence on whether pre-training helped, and the runs it is said of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_bert import tiny_bert

from reccli.manifest import Manifest
from reccli.settings import EvaluateSettings, FinetuneSettings, PrepareSettings, PretrainSettings
from reccli.stages.common import Control
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.prepare import Sources, prepare
from reccli.stages.pretrain import pretrain
from reccli.stages.transfer import transfer_facts, transfer_line
from reccli.testing.worlds import checkerboard
from reccli.workspace import Workspace

torch.set_num_threads(1)


def run(name: str, started: str | None, **settings) -> tuple[str, Manifest]:
    return name, Manifest(stage="finetune", fingerprint="", settings=settings, facts={"pretrained": started})


def row(metric: str, k: int | None, low: float, high: float, **names: str) -> dict:
    row = {
        "run": "a",
        "against": "b",
        "metric": metric,
        "k": k,
        "difference": (low + high) / 2,
        "low": low,
        "high": high,
    }
    return row | names


def test_only_one_run_with_and_one_without_pre_training_are_spoken_of() -> None:
    assert transfer_facts([run("a", "x"), run("b", "y")]) == {}
    assert transfer_facts([run("a", None), run("b", None)]) == {}
    assert transfer_facts([run("a", "x"), run("b", None), run("c", None)]) == {}
    first = run("a", None, loss="bpr", pretrained="none", encoder_settings={"path": "p", "dim": 3}, newer=1)
    facts = transfer_facts([first, run("b", "x", loss="mse", pretrained=None, encoder_settings={"dim": 4})])
    assert facts == {
        "with": "b",
        "without": "a",
        "pretrained": "x",
        "differing": ["encoder_settings", "loss"],
    }


@pytest.mark.parametrize(
    ("low", "high", "verdict", "turned"),
    [(0.01, 0.03, "helped", "hurt"), (-0.03, -0.01, "hurt", "helped"), (-0.01, 0.02, "made no difference", "made no")],
)
def test_the_sentence(low: float, high: float, verdict: str, turned: str) -> None:
    rows = [row("novelty", 10, -9, -8), row("recall", 10, -9, -8), row("ndcg", 20, -9, -8), row("ndcg", 10, low, high)]
    facts = transfer_facts([run("a", "x"), run("b", None)])
    line = transfer_line(facts, rows)
    middle = (low + high) / 2
    assert line.startswith(f"pre-training (x) {verdict}")
    assert line.endswith(f": ndcg@10 {middle:+.4f} [{low:+.4f} {high:+.4f}] of a over b")
    facts = transfer_facts([run("a", None, loss="bpr"), run("b", "x", loss="mse")])
    line = transfer_line(facts, rows)
    assert line.startswith(f"pre-training (x) {turned}")
    assert f"[{-high:+.4f} {-low:+.4f}] of b over a; they differ in loss too" in line
    assert transfer_line(facts, [row("ndcg", 10, low, high, run="c")]) is None


def test_finetune_starts_from_a_combination_and_compare_says_whether_it_helped(tmp_path: Path) -> None:
    world = checkerboard(users=24, items=48, held_out=2).write(tmp_path, held_out=True)
    workspace, said = Workspace(tmp_path / "ws"), []
    prepare(workspace, Sources((world,), items=tmp_path / "items.csv"), PrepareSettings(), Control())
    folder = str(tiny_bert(tmp_path / "tiny"))
    plain = FinetuneSettings(encoder="bert", device="cpu", epochs=0, encoder_path=folder, name="without")
    finetune(workspace, plain, Control())
    settings = PretrainSettings(
        objective="simcse+neighbours+spectral",
        encoder_path=folder,
        device="cpu",
        batch_size=16,
        learning_rate=2e-3,
        component={"train": "all", "spectral.rank": 4, "neighbours.weight": 2.0},
    )
    pretrain(workspace, settings, Control())
    finetune(workspace, FinetuneSettings(encoder="bert", device="cpu", epochs=0, name="with"), Control(say=said.append))
    assert any("the text model of pretrain simcse-neighbours-spectral" in line for line in said)
    runs = ("with", "without")
    result = evaluate(workspace, EvaluateSettings(runs=runs, compare=True, device="cpu", ks=(10,)), Control())
    (line,) = [line for line in result.lines if line.startswith("pre-training")]
    assert "(simcse-neighbours-spectral)" in line
    assert line.endswith("of with over without")
    difference = next(row for row in result.data["differences"] if (row["metric"], row["k"]) == ("ndcg", 10))
    assert f"{difference['difference']:+.4f} [{difference['low']:+.4f} {difference['high']:+.4f}]" in line
