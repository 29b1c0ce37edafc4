"""A text model as it is set: from where it is taken, and what a run depends on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tiny_bert import tiny_bert

from reccli.api import Context
from reccli.errors import ConfigError
from reccli.nn.text_folder import PRETRAINED, model_digest
from reccli.nn.text_reading import TextReading, model_start, open_reading, reading_determinants


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "tiny")


def test_a_named_model_goes_before_a_pre_trained_one(folder: Path, tmp_path: Path) -> None:
    version = tmp_path / "version"
    shutil.copytree(folder, version / PRETRAINED)
    context = Context(pretrained=version)
    assert open_reading(TextReading(), context)[0].folder == version / PRETRAINED
    assert open_reading(TextReading(path=str(folder)), context)[0].folder == folder
    offered = {"text", PRETRAINED}
    assert model_start("", offered) == {PRETRAINED}
    assert model_start(str(folder), offered) == model_start("", {"text"}) == frozenset()
    with pytest.raises(ConfigError, match="is not a folder"):
        open_reading(TextReading(path=str(tmp_path / "nowhere")), context)


def test_settings_reach_the_model(folder: Path) -> None:
    given = TextReading(path=str(folder), pooling="cls", prefix="p: ", user_prefix="q: ", max_length=9, text_batch=3)
    source, usage = open_reading(given, Context(device="cpu"), seed=5)
    assert (source.pooling, source.max_length, source.batch, source.seed, source.mode) == ("cls", 9, 3, 5, "frozen")
    assert (usage.items(["a"]), usage.users(["b"])) == (["p: a"], ["q: b"])


def test_another_content_is_another_run(folder: Path) -> None:
    first = reading_determinants(str(folder), "auto", Context())
    assert first["pooling"] == "mean"
    assert model_digest(folder) in first.values()
    torch.manual_seed(3)
    tiny_bert(folder, seed=4)
    assert reading_determinants(str(folder), "auto", Context()) != first
