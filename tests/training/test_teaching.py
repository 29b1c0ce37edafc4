"""Soft targets against a literal loop, and a student that ranks more like its teacher than one without."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Batch, Context, Negatives, Similarity
from reccli.errors import ConfigError
from reccli.stages.common import Control
from reccli.testing import checkerboard
from reccli.training import teaching
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel
from reccli.training.task import Plan
from reccli.training.teaching import Teacher

DATA = checkerboard(users=12, items=12, texts=False, ordered=False).data


def teacher(*, weight: float = 2.0, temperature: float = 0.7, **known: list[int]) -> Teacher:
    rng = np.random.default_rng(1)
    users, items = rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=(12, 3)).astype(np.float32)
    known_U, known_I = np.ones(12, np.bool_), np.ones(12, np.bool_)
    known_U[known.get("users", [])], known_I[known.get("items", [])] = False, False
    return Teacher(users, items, known_U, known_I, temperature=temperature, weight=weight)


def model_of(taught_by: Teacher | None, loss: str = "infonce", encoder: str = "mf", **mechanics: Any) -> ScoringModel:
    made = registry.create("encoder", encoder, {"dim": 5, "start": "random"})
    made.setup(DATA, Context(seed=2))
    made = ScoringModel(
        made, registry.create("loss", loss), Similarity("cosine"), DATA, Mechanics(**mechanics), taught_by
    )
    return made


ROWS = [0, 1, 7, 20, 21, 33]


def batch_of(negatives: Negatives) -> Batch:
    train_ = DATA.train
    columns = [torch.from_numpy(column[ROWS]) for column in (train_.user_E, train_.item_E, train_.value_E)]
    return Batch(torch.tensor(ROWS), *columns, torch.ones(len(ROWS)), negatives)


def shares(score: list[float], temperature: float) -> list[float]:
    mean = sum(score) / len(score)
    deviation = math.sqrt(sum((s - mean) ** 2 for s in score) / len(score))
    raised = [math.exp((s - mean) / deviation / temperature) for s in score]
    return [r / sum(raised) for r in raised]


def literal(model: ScoringModel, taught_by: Teacher, pairs: list[tuple[int, list[int]]]) -> float:
    user, item = model.encoder.user_UD.detach().double(), model.encoder.item_ID.detach().double()
    total, taught = 0.0, 0
    for u, candidates in pairs:
        codes = [i for i in candidates if taught_by.known_I[i]]
        if not taught_by.known_U[u]:
            continue
        taught += 1
        student = shares([float(torch.cosine_similarity(user[u], item[i], dim=0)) for i in codes], 0.7)
        target = shares([float(taught_by.user_UT[u].double() @ taught_by.item_IT[i].double()) for i in codes], 0.7)
        total += sum(p * math.log(p / q) for p, q in zip(target, student, strict=True))
    return 2.0 * 0.7**2 * total / taught


def distinct_users() -> list[int]:
    return sorted(set(DATA.train.user_E[ROWS].tolist()))


@pytest.mark.parametrize("known", [{}, {"users": [0], "items": [3, 4]}])
@pytest.mark.parametrize("kind", ["shared", "in-batch", "own", "table"])
def test_the_term_equals_a_literal_loop(kind: str, known: dict[str, list[int]]) -> None:
    taught_by = teacher(**known)
    model = model_of(taught_by, "softmax" if kind == "table" else "infonce", memory=4 if kind == "shared" else 0)
    positives = DATA.train.item_E[ROWS].tolist()
    drawn = {
        "shared": Negatives(shared_N=torch.tensor([1, 4, 9, 9])),
        "in-batch": Negatives(shared_N=torch.tensor(positives), in_batch=True),
        "own": Negatives(own_BN=torch.arange(18).reshape(6, 3) % 12),
        "table": Negatives(),
    }[kind]
    batch = batch_of(drawn)
    if kind == "own":
        rows = zip(batch.user_B.tolist(), positives, drawn.own_BN.tolist(), strict=True)
        pairs = [(u, [i, *negatives]) for u, i, negatives in rows]
    else:
        shared = [] if drawn.shared_N is None else drawn.shared_N.tolist()
        candidates = list(range(12)) if kind == "table" else sorted({*positives, *shared})
        pairs = [(u, candidates) for u in distinct_users()]
    for _ in range(2):  # the second time with a memory, whose vectors are not taught
        total, terms = model.batch_loss(batch)
        assert float(terms["teacher"].detach()) == pytest.approx(literal(model, taught_by, pairs), rel=1e-4)
    plain = model_of(None, "softmax" if kind == "table" else "infonce", memory=4 if kind == "shared" else 0)
    for _ in range(2):
        expected, _ = plain.batch_loss(batch)
    torch.testing.assert_close((total - terms["teacher"]).detach(), expected.detach())


def test_a_perfect_student_has_nothing_to_learn() -> None:
    model = model_of(None)
    stored = model.user_vectors(DATA.train), model.item_vectors()
    model.teacher = Teacher(*stored, np.ones(12, np.bool_), np.ones(12, np.bool_))
    _, terms = model.batch_loss(batch_of(Negatives(shared_N=torch.arange(12))))
    assert float(terms["teacher"].detach()) == pytest.approx(0.0, abs=1e-6)
    gradient = torch.autograd.grad(terms["teacher"], model.encoder.item_ID)[0]
    assert gradient.abs().max() < 1e-5


def test_large_batches_teach_their_first_users(monkeypatch: pytest.MonkeyPatch) -> None:
    taught_by = teacher()
    model, batch = model_of(taught_by, "softmax"), batch_of(Negatives())
    monkeypatch.setattr(teaching, "MOST_SCORES", 2 * 12)
    _, terms = model.batch_loss(batch)
    first = [(u, list(range(12))) for u in distinct_users()[:2]]
    assert float(terms["teacher"].detach()) == pytest.approx(literal(model, taught_by, first), rel=1e-4)


def test_a_loss_without_rivals_cannot_be_taught() -> None:
    with pytest.raises(ConfigError, match="ranks no items"):
        teacher()(model_of(None)._inputs(batch_of(Negatives())), batch_of(Negatives()))


def agreement(model: ScoringModel, taught_by: Teacher) -> float:
    """Mean rank correlation with the teacher over users."""
    student = model.user_vectors(DATA.train) @ model.item_vectors().T
    target = (taught_by.user_UT @ taught_by.item_IT.T).numpy()
    ranks = [np.argsort(np.argsort(score, axis=1), axis=1).astype(float) for score in (student, target)]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)]))


@pytest.mark.parametrize("encoder", ["mf", "history"])
def test_a_student_comes_nearer_to_its_teacher_than_without(encoder: str) -> None:
    """A teacher whose ranking within a taste differs from what the interactions alone tell."""
    found = {}
    liked = DATA.train.to_scipy("ones").toarray()
    order = np.random.default_rng(3).normal(size=12) * 0.5
    target = (2.0 * (liked @ liked.T @ liked > 0) + order).astype(np.float32)
    taught_by = Teacher(target, np.eye(12, dtype=np.float32), np.ones(12, np.bool_), np.ones(12, np.bool_), weight=5.0)
    for given in (None, taught_by):
        model = model_of(given, encoder=encoder)
        sampler = registry.create("sampler", "uniform", {"count": 12})
        sampler.setup(DATA, Context(seed=2))
        task = FinetuneTask(model, sampler, DATA, None, Context(seed=2), batch_size=30)
        train(task, Plan(epochs=60, batch_size=30, learning_rate=0.02), Control())
        found[given is not None] = agreement(model, taught_by)
    assert found[True] > found[False] + 0.1
    assert found[True] > 0.75
