"""Text models of every family that a folder may hold: texts alone and in company, long ones, and what is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_families import CONFIGS, POSITIONS, tiny_family

from reccli.api import Context
from reccli.nn.text_tower import TextTower, has_peft
from reccli.objectives.mlm import MLM
from reccli.objectives.simcse import SimCSE
from reccli.testing.worlds import checkerboard

TEXTS = ["the story of a rocket", "", "a kiss", "rocket " * 200, "robots likes laser"]
KINDS = sorted(CONFIGS)


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tiny_family(tmp_path / request.param, request.param)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_text_has_its_vector_in_any_company_and_at_any_length(folder: Path, pooling: str) -> None:
    tower = TextTower(folder, pooling=pooling, max_length=512, seed=0)
    assert tower.max_length == POSITIONS - 2
    tokens = tower.tokenise(TEXTS)
    assert tokens.length_T.max() == POSITIONS - 2
    with torch.no_grad():
        together = tower.encode(tokens, np.arange(len(TEXTS)))
        alone = torch.cat([tower.encode(tower.tokenise([text]), np.arange(1)) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(TEXTS)))
    assert float((together[0] @ together[2]).detach()) < 0.999


@pytest.mark.parametrize("mode", ["last-1", "all", "lora"])
def test_what_is_to_be_trained_gets_a_gradient(folder: Path, mode: str) -> None:
    if mode == "lora" and not has_peft():
        pytest.skip("peft is not installed")
    if mode == "last-1" and folder.name == "albert":
        pytest.skip("its layers share their weights")
    tower = TextTower(folder, mode=mode, seed=0)
    tower.encode(tower.tokenise(TEXTS), np.arange(len(TEXTS))).cumsum(0).sin().sum().backward()
    some, everything = tower.counts()
    assert 0 < some <= everything
    assert (some == everything) <= (mode == "all")
    reached = [name for name, p in tower.trained().items() if p.grad is not None and bool(p.grad.any())]
    assert reached


@pytest.mark.parametrize("objective", [MLM, SimCSE])
def test_it_is_pretrained(folder: Path, objective: type[MLM | SimCSE]) -> None:
    world = checkerboard(users=12, items=40)
    built = objective(objective.Settings(path=str(folder), train="all"))
    built.setup(world.data, Context(seed=1))
    if isinstance(built, MLM):
        assert not built.head.fresh  # the folder has a head of its own
    built.train()
    built.loss(torch.arange(8)).value_B.mean().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in built.trunk.trained.values())
