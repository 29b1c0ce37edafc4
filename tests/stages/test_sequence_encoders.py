"""Encoders that read histories in their order: exact resume, the same lists after restoring, lists for a new user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shop import shop

from reccli.artifacts import Prepared, read_vectors
from reccli.errors import Interrupted
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.recommend import recommend
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

torch.set_num_threads(1)

GIVEN: dict[str, dict[str, Any]] = {
    "recency": {"dim": 8, "hidden": 0.2, "gate": True},
    "sasrec": {"dim": 8, "heads": 2, "window": 4},
}
encoders = pytest.mark.parametrize("encoder", sorted(GIVEN))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return shop(tmp_path_factory.mktemp("shop"), split="leave-one-out")


def run(workspace: Workspace, encoder: str, name: str, *, control: Control | None = None, **values: Any) -> StageResult:
    given = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02, "encoder_settings": GIVEN[encoder], **values}
    settings = FinetuneSettings(encoder=encoder, name=name, device="cpu", threads=1, **given)
    return finetune(workspace, settings, control or Control())


class StopAfter:
    left = 8

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


@encoders
def test_resumed_is_bit_equal(encoder: str, workspace: Workspace) -> None:
    whole = run(workspace, encoder, f"{encoder}-whole").version
    with pytest.raises(Interrupted):
        run(workspace, encoder, f"{encoder}-parts", control=Control(stop=StopAfter()))
    parts = run(workspace, encoder, f"{encoder}-parts").version
    for artifact in ("item_vectors", "user_vectors"):
        assert whole.read(artifact).equals(parts.read(artifact))


@encoders
def test_a_new_user_with_the_history_of_a_known_one_gets_the_same_list(encoder: str, workspace: Workspace) -> None:
    run(workspace, encoder, f"{encoder}-lists", epochs=15)
    prepared = Prepared(workspace.current("prepare"))
    user = prepared.interactions.filter(prepared.interactions["user"] == 0).sort("time")
    items = tuple(prepared.items["item_id"][code] for code in user["item"].to_list())
    name = prepared.users["user_id"][0]
    lists = []
    for who in ({"users": (name,)}, {"history": items}):
        settings = RecommendSettings(run=f"{encoder}-lists", k=3, device="cpu", threads=1, **who)
        found = recommend(workspace, settings, Control()).version.read("recommendations")
        lists.append((found["item_id"].to_list(), found["score"].to_numpy()))
    assert lists[0][0] == lists[1][0]
    np.testing.assert_allclose(lists[0][1], lists[1][1], rtol=1e-4)


@encoders
def test_a_restored_encoder_gives_the_stored_vectors(encoder: str, workspace: Workspace) -> None:
    version = run(workspace, encoder, f"{encoder}-lists", epochs=15).version
    fitted = load_encoder(version, Prepared(workspace.current("prepare")))
    stored = read_vectors(version, "item_vectors")
    np.testing.assert_allclose(fitted.item_vectors(), stored, atol=1e-6)


@encoders
def test_it_is_evaluated_on_the_last_item(encoder: str, workspace: Workspace) -> None:
    run(workspace, encoder, f"{encoder}-lists", epochs=15)
    settings = EvaluateSettings(runs=(f"{encoder}-lists",), metrics=("recall",), ks=(3,), resamples=0, device="cpu")
    found = evaluate(workspace, settings, Control()).version.read("metrics")
    assert found["value"].max() > 0.5  # by chance: 0.33
