"""What a search says: its table, its lines, and a command that a shell takes back to the same settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("optuna")

from reccli.api import Choices, Range
from reccli.config import resolve
from reccli.schemas import check_frame
from reccli.settings import FinetuneSettings
from reccli.stages.tune_attempt import Attempt
from reccli.stages.tune_report import (
    attempt_line,
    counted,
    counts_of,
    counts_text,
    repeat_command,
    space_lines,
    trials_frame,
)
from reccli.training.search_space import Parameter, applied

PARAMETERS = [
    Parameter("loss.temperature", Range(0.05, 1, log=True)),
    Parameter("encoder.dim", Choices((64, 128))),
    Parameter("encoder.l2", Choices(("auto", 0.5))),
    Parameter("mask_twins", Choices((True, False))),
]
VALUES = {"loss.temperature": 0.1, "encoder.dim": 64, "encoder.l2": 0.5, "mask_twins": True}
ATTEMPTS = [
    Attempt(0, "complete", VALUES, 0.25, {"epoch": 3, "epochs": 5, "seconds": 1.25}, 1e9),
    Attempt(1, "pruned", VALUES, 0.1, {"epochs": 4, "seconds": 0.5}, 1e9),
    Attempt(2, "failed", {"loss.temperature": 0.2}, None, {"message": "loss is nan", "seconds": 0.1}, None),
    Attempt(3, "lost", {}, None, {}, None),
]


def test_the_table_of_trials() -> None:
    frame = check_frame("trials", trials_frame(ATTEMPTS, PARAMETERS))
    assert frame["state"].to_list() == ["complete", "pruned", "failed", "lost"]
    assert frame["epoch"].to_list() == [3, None, None, None]
    assert frame["epochs"].to_list() == [5, 4, None, None]
    assert frame["started"].to_list() == [10**15, 10**15, None, None]
    assert frame["loss.temperature"].to_list() == [0.1, 0.1, 0.2, None]
    assert frame["encoder.l2"].to_list() == ["0.5", "0.5", None, None], "of texts and numbers, texts"
    assert frame.schema["encoder.dim"] == pl.Int64
    assert frame.schema["mask_twins"] == pl.Boolean
    assert check_frame("trials", trials_frame([], PARAMETERS)).height == 0


def test_a_setting_of_the_name_of_a_fact_has_a_column_of_its_own() -> None:
    parameters = [Parameter("epochs", Range(1, 4), whole=True), Parameter("encoder.dim", Choices((64, 128)))]
    attempts = [Attempt(0, "complete", {"epochs": 4, "encoder.dim": 64}, 0.25, {"epoch": 3, "epochs": 3}, 1e9)]
    frame = check_frame("trials", trials_frame(attempts, parameters))
    assert frame["epochs"].to_list() == [3], "passes made"
    assert frame["param.epochs"].to_list() == [4]
    assert frame["encoder.dim"].to_list() == [64]


def test_lines() -> None:
    assert space_lines(PARAMETERS[:2]) == ["  loss.temperature  0.05 to 1, log", "  encoder.dim       64, 128"]
    told = "loss.temperature 0.1, encoder.dim 64, encoder.l2 0.5, mask_twins True"
    assert attempt_line(ATTEMPTS[0], "ndcg@10", best=True) == f"trial 0: ndcg@10 0.2500, the best so far  1.2 s  {told}"
    assert (
        attempt_line(ATTEMPTS[1], "ndcg@10", best=False)
        == f"trial 1: pruned after 4 epochs at ndcg@10 0.1000  0.5 s  {told}"
    )
    assert (
        attempt_line(ATTEMPTS[2], "ndcg@10", best=False) == "trial 2: failed: loss is nan  0.1 s  loss.temperature 0.2"
    )
    counts = counts_of(ATTEMPTS)
    assert counts == {"complete": 1, "pruned": 1, "failed": 1, "lost": 1}
    assert counted(counts) == 3
    assert counts_text(counts) == "3 trials (1 complete, 1 pruned, 1 failed)"


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({}, {"learning_rate": 1e-5}),
        (
            {"encoder": "bert", "encoder_settings": {"train": "last-2", "prefix": "it's a: "}},
            {"loss.temperature": 0.07},
        ),
        (
            {"loss": "infonce+directau:0.5", "loss_settings": {"directau": {"gamma": 2.0}}},
            {"loss.infonce.temperature": 0.1},
        ),
        ({"encoder_settings": {"dim": 32, "start": "true"}, "clip": 1.0}, {"mask_twins": True, "batch_size": 64}),
        ({"teacher": ("a", "b"), "seed": 7, "dropout": 0.3, "device": "cpu"}, {"dropout": 0.0}),
        ({"online": False, "refit": False, "max_time": 3.5}, {"encoder.lora_targets": "a b"}),
    ],
)
def test_the_command_leads_back_to_the_settings(given: dict[str, Any], values: dict[str, Any]) -> None:
    base = FinetuneSettings(**given, name="tuned run"[:5])
    best = applied(base, values)
    words = shlex.split(repeat_command(base, best, values, Path("my work")))
    assert words[:4] == ["reccli", "finetune", "-w", "my work"]
    flags: dict[str, Any] = {}
    sets = []
    for flag, value in zip(words[4::2], words[5::2], strict=True):
        if flag == "--set":
            sets.append(value)
        else:
            flags[flag.removeprefix("--").replace("-", "_")] = value
    again = resolve("finetune", flags=flags, sets=sets, environment={}).settings
    flat = {"loss_settings": {"directau.gamma": 2.0}} if "directau" in base.loss_settings else {}
    wanted = best.model_dump()
    if flat:
        wanted["loss_settings"] = {"directau.gamma": 2.0, "infonce.temperature": 0.1}
    assert again.model_dump() == wanted


def test_the_usual_workspace_goes_without_saying() -> None:
    base = FinetuneSettings(name="x")
    assert repeat_command(base, base, {}, Path("workspace")) == "reccli finetune --name x"
