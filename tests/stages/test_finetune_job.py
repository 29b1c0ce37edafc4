"""What a fine-tuning reads: the parts that it learns from, and a start that settings under a search may not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shop import shop

from reccli.artifacts import Prepared
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings, PretrainSettings
from reccli.stages.common import Control
from reccli.stages.finetune_job import determinants_of, job_of, varied_job_of
from reccli.stages.pretrain import pretrain
from reccli.stages.starting import UnreadError
from reccli.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return shop(tmp_path)


def given(**values: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"encoder": "mf", "device": "cpu", "threads": 1, **values})


def test_the_data_is_that_of_the_parts_learned_from(workspace: Workspace) -> None:
    prepared = Prepared(workspace.current("prepare"))
    for refit, as_of, parts in (
        (False, "now", ("train",)),
        (True, "test", ("train", "valid")),
        (True, "now", ("train", "valid", "test")),
    ):
        job = job_of(workspace, given(refit=refit, as_of=as_of), Control(), prepared)
        assert job.parts == parts
        assert len(job.data.train) == len(prepared.histories(*parts))


def test_names_are_known_before_any_data_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no encoder called 'mff'"):
        job_of(Workspace(tmp_path / "none"), given(encoder="mff"), Control())


def test_what_the_data_lacks_is_refused_before_anything_is_set_up(tmp_path: Path) -> None:
    plain = shop(tmp_path, split="random", with_items=False)
    words = given(encoder="ease", encoder_settings={"words": 8})
    with pytest.raises(ConfigError, match=r"encoder\.words=8\.0 needs texts of items, which the data has not"):
        job_of(plain, words, Control())
    for encoder in ("ease", "slim", "item-knn", "spectral"):
        with pytest.raises(ConfigError, match=r"encoder\.recency=0\.5 needs an order, and a split that hides what c"):
            job_of(plain, given(encoder=encoder, encoder_settings={"recency": 0.5}), Control())
        assert job_of(plain, given(encoder=encoder, encoder_settings={"recency": 0}), Control()).data.n_items == 16


def test_a_search_may_leave_a_start_unread_and_a_run_may_not(workspace: Workspace) -> None:
    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 4}), Control())
    prepared = Prepared(workspace.current("prepare"))
    settings = given(pretrained="spectral", encoder_settings={"start": "random", "dim": 4})
    with pytest.raises(UnreadError):
        job_of(workspace, settings, Control(), prepared)
    varied = varied_job_of(workspace, settings, Control(), prepared)
    plain = job_of(workspace, settings.model_copy(update={"pretrained": "none"}), Control(), prepared)
    assert varied.start is None
    assert determinants_of(varied) == determinants_of(plain)
    read = varied_job_of(workspace, given(pretrained="spectral", encoder_settings={"dim": 4}), Control(), prepared)
    assert read.start is not None
    assert read.start.version in determinants_of(read)["parents"]
