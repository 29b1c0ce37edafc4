"""Lists of a first run in the order of a joint one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.artifacts import Prepared, read_vectors
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.recommend import recommend
from reccli.stages.reranking import reranked
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("shop")
    workspace = shop(folder, task="rating", split="random", user_texts=True)
    given = {"path": str(tiny_bert(folder / "tiny")), "train": "head", "shown": 2}
    common = {"epochs": 1, "device": "cpu", "threads": 1}
    finetune(workspace, FinetuneSettings(encoder="bert-cross", encoder_settings=given, **common), Control())
    first = {"encoder": "mf", "encoder_settings": {"dim": 4}, "task": "ranking"}
    finetune(workspace, FinetuneSettings(**first, **common), Control())
    return workspace


def lists(workspace: Workspace, **values: Any) -> pl.DataFrame:
    version = recommend(workspace, RecommendSettings(run=("mf-softmax",), device="cpu", **values), Control()).version
    assert version is not None
    return version.read("recommendations")


def test_the_first_items_come_in_the_order_of_the_pairs(workspace: Workspace) -> None:
    plain, anew = lists(workspace, k=4), lists(workspace, k=4, rerank="bert-cross-mse", rerank_depth=4)
    prepared = Prepared(workspace.current("prepare"))
    version = workspace.current("finetune", "bert-cross-mse")
    fitted, known = load_encoder(version, prepared), prepared.histories()
    users, items = prepared.users["user_id"].to_list(), prepared.items["item_id"].to_list()
    user_vectors, item_vectors = fitted.user_vectors(known), read_vectors(version, "item_vectors")
    moved = 0
    for number, user in enumerate(users):
        before = plain.filter(pl.col("user_id") == user)["item_id"].to_list()
        after = anew.filter(pl.col("user_id") == user)
        assert sorted(before) == sorted(after["item_id"])
        code = np.array([items.index(item) for item in before])
        score = user_vectors[number] @ item_vectors[code].T
        score = score + fitted.pair_scores(np.full(len(code), number), code, known)
        expected = [before[place] for place in np.argsort(-score, kind="stable")]
        assert after["item_id"].to_list() == expected
        np.testing.assert_allclose(after["score"], np.sort(score)[::-1], atol=1e-4)
        moved += before != expected
    assert moved


def test_one_user_gets_the_list_that_he_has_among_all(workspace: Workspace) -> None:
    everyone = lists(workspace, k=3, rerank="bert-cross-mse")
    one = lists(workspace, k=3, rerank="bert-cross-mse", users=("u5",))
    assert one["item_id"].to_list() == everyone.filter(pl.col("user_id") == "u5")["item_id"].to_list()
    assert one["rank"].to_list() == [1, 2, 3]


def test_users_that_are_not_served_and_gaps_keep_their_places() -> None:
    reranker: Any = SimpleNamespace(pair_scores=lambda user, item: item * 10.0 + user)
    item = np.array([[1, 3, 2, -1], [4, 5, -1, -1], [-1, -1, -1, -1]])
    score = np.array([[0.9, 0.8, 0.7, -np.inf], [0.2, 0.1, -np.inf, -np.inf], [-np.inf] * 4], np.float32)
    got, value = reranked(reranker, np.array([7, 8, 9]), item, np.array([True, False, True]), score)
    assert got.tolist() == [[3, 2, 1, -1], [4, 5, -1, -1], [-1, -1, -1, -1]]
    assert value[0].tolist() == [37.0, 27.0, 17.0, -np.inf]
    assert value[1].tolist() == score[1].tolist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rerank": "mf-softmax"}, "encoder 'mf' of run 'mf-softmax' does not read user and item together"),
        ({"rerank": "bert-cross-mse", "history": ("i0",)}, "--rerank needs users and items of the data"),
        ({"rerank": "bert-cross-mse", "user_text": "space"}, "--rerank needs users and items of the data"),
    ],
)
def test_what_cannot_be_done_is_refused(workspace: Workspace, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lists(workspace, **values)


def test_a_run_of_other_data_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    from reccli.errors import MissingArtifactError
    from reccli.stages.reranking import check_reranker

    def served(fingerprint: str) -> Any:
        version = SimpleNamespace(fingerprint=fingerprint, name="x")
        return SimpleNamespace(facts={"joint": True}, prepared=SimpleNamespace(version=version), version=version)

    check_reranker(served("a"), served("a"))
    with pytest.raises(MissingArtifactError, match="was trained on other prepared data"):
        check_reranker(served("a"), served("b"))
