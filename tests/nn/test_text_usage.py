"""What a model's folder says of its use, and that what is given wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli.errors import ConfigError, DamagedArtifactError
from reccli.nn.text_tower import TextTower
from reccli.nn.text_usage import POOLING_FILE, POOLINGS, PROMPTS_FILE, usage_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "tiny")


def write(folder: Path, name: Path | str, content: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_encoders_take_the_mean_and_decoders_the_last_token(folder: Path, tmp_path: Path) -> None:
    plain = usage_of(folder)
    assert (plain.pooling, plain.prefix, plain.user_prefix, plain.notes) == ("mean", "", "", ())
    decoder = usage_of(tiny_gpt(tmp_path / "gpt"))
    assert decoder.pooling == "last"
    assert decoder.notes == ("pooling last, as decoders are summed up by their last token",)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("style", ["flags", "name"])
def test_the_folder_decides_and_it_is_said(folder: Path, pooling: str, style: str) -> None:
    flags = {key: name == pooling for name, key in POOLINGS.items()}
    named = {"pooling_mode": "lasttoken" if pooling == "last" else pooling}
    write(folder, POOLING_FILE, {"word_embedding_dimension": 16} | (flags if style == "flags" else named))
    found = usage_of(folder)
    assert found.pooling == pooling
    assert found.notes == (f"pooling {pooling}, as 1_Pooling/config.json says",)


def test_an_explicit_setting_wins(folder: Path) -> None:
    write(folder, POOLING_FILE, {POOLINGS["cls"]: True})
    write(folder, PROMPTS_FILE, {"prompts": {"query": "query: ", "passage": "passage: "}})
    given = usage_of(folder, pooling="mean", prefix="", user_prefix="ask: ")
    assert (given.pooling, given.prefix, given.user_prefix, given.notes) == ("mean", "", "ask: ", ())
    said = usage_of(folder)
    assert said.items(["Heat", ""]) == ["passage: Heat", "passage: "]
    assert said.users(["films"]) == ["query: films"]
    assert len(said.notes) == 3


@pytest.mark.parametrize(
    "content",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode": "weightedmean"},
        {},
    ],
)
def test_a_pooling_that_is_not_there_is_refused_with_the_next_step(folder: Path, content: dict[str, Any]) -> None:
    write(folder, POOLING_FILE, content)
    with pytest.raises(ConfigError, match="asks for pooling") as caught:
        usage_of(folder)
    assert caught.value.hint == "choose one: --set encoder.pooling=mean"
    assert usage_of(folder, pooling="cls").pooling == "cls"


def test_strange_files_are_refused_or_left_alone(folder: Path) -> None:
    write(folder, PROMPTS_FILE, {"prompts": {"query": 5, "document": None}})
    assert usage_of(folder).user_prefix == ""
    write(folder, PROMPTS_FILE, {"prompts": ["query"]})
    assert usage_of(folder).prefix == ""
    (folder / POOLING_FILE).parent.mkdir()
    (folder / POOLING_FILE).write_text("[")
    with pytest.raises(DamagedArtifactError, match="not valid JSON"):
        usage_of(folder)
    with pytest.raises(ConfigError, match="no pooling called 'max'"):
        usage_of(folder, pooling="max")


def test_a_saved_model_says_how_it_was_pooled(folder: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    TextTower(folder, pooling="cls", seed=0).save(tmp_path / "saved")
    assert usage_of(tmp_path / "saved").pooling == "cls"
