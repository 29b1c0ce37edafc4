"""The simcse objective: its loss against a double loop, its seed, and the model that it leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from silent import Silent
from text_objective import TextObjectiveConformance

from reccli.api import Context, TrainingData
from reccli.encoders.bert import Bert
from reccli.errors import ConfigError, DataError
from reccli.nn.text_folder import PRETRAINED, check_model
from reccli.nn.text_source import TextSource
from reccli.objectives.simcse import SimCSE, two_view_loss
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestSimCSE(TextObjectiveConformance):
    component = "simcse"


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_two_views_against_a_double_loop(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.nn.functional.normalize(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=1)
        for _ in range(2)
    )
    got = two_view_loss(first, second, temperature)
    for b in range(5):
        scores = [math.exp(float(first[b] @ second[c]) / temperature) for c in range(5)]
        assert float(got[b]) == pytest.approx(-math.log(scores[b] / sum(scores)), rel=1e-9)


def test_hard_negatives_against_a_double_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second, hard = (
        torch.nn.functional.normalize(torch.randn(rows, 3, generator=generator, dtype=torch.float64), dim=1)
        for rows in (4, 4, 3)
    )
    same = torch.zeros(4, 3, dtype=torch.bool)
    same[1, 2] = same[3, 0] = True
    got = two_view_loss(first, second, 0.2, hard_ND=hard, same_BN=same)
    for b in range(4):
        total = sum(math.exp(float(first[b] @ second[c]) / 0.2) for c in range(4))
        total += sum(math.exp(float(first[b] @ hard[n]) / 0.2) for n in range(3) if not same[b, n])
        assert float(got[b]) == pytest.approx(-math.log(math.exp(float(first[b] @ second[b]) / 0.2) / total), rel=1e-9)
    torch.testing.assert_close(two_view_loss(first, second, 0.2, hard_ND=hard[:0]), two_view_loss(first, second, 0.2))


def test_a_batch_costs_what_its_texts_cost_in_a_loop(folder: Path) -> None:
    data = replace(many_texts(), item_attributes={"genre": ["a", "b"] * 30})
    objective = SimCSE(SimCSE.Settings(path=str(folder), category="genre"))
    objective.setup(data, Context(seed=1))
    objective.double().eval()
    objective.trunk.eval()  # without dropout both views are the text itself
    text, state = objective.kept_T[:6], objective.draws.bit_generator.state
    got = objective.loss(torch.arange(6)).value_B.detach()
    objective.draws.bit_generator.state = state
    hard = objective.categories.draw(text, objective.draws)
    assert got.dtype == torch.float64
    with torch.no_grad():
        z, h = objective.trunk(text), objective.trunk(hard)
    for b in range(6):
        total = sum(math.exp(float(z[b] @ z[c]) / 0.05) for c in range(6))
        total += sum(math.exp(float(z[b] @ h[n]) / 0.05) for n in range(6) if hard[n] != text[b])
        assert float(got[b]) == pytest.approx(-math.log(math.exp(float(z[b] @ z[b]) / 0.05) / total), rel=1e-9)


def test_augmented_views_are_made_of_the_texts_tokens(folder: Path, tmp_path: Path) -> None:
    objective = SimCSE(SimCSE.Settings(path=str(folder), crop=0.5, delete=0.2, shuffle=0.5))
    objective.setup(many_texts(), Context(seed=1))
    text = np.arange(20)
    code, mask = objective._views(np.concatenate([text, text]), 20, np.random.default_rng(0))
    plain, plain_mask = objective.trunk.tokens.padded(text, torch.device("cpu"))
    for row in range(20):
        words = plain[row][plain_mask[row]].tolist()
        view = code[row][mask[row]].tolist()
        assert (view[0], view[-1]) == (words[0], words[-1])  # the special tokens
        assert 3 <= len(view) < len(words)
        assert set(view) <= set(words)
        assert code[20 + row][mask[20 + row]].tolist() == words
    assert code.shape[1] == int(mask.sum(1).max())
    (tmp_path / "words.txt").write_text("space,garden\n", encoding="utf-8")
    replaced = SimCSE(SimCSE.Settings(path=str(folder), synonyms=str(tmp_path / "words.txt"), synonym_share=1))
    replaced.setup(many_texts(), Context(seed=1))
    row = next(number for number, text in enumerate(replaced.trunk.texts) if "space" in text and "garden" not in text)
    code, _ = replaced._views(np.array([row, row]), 1, np.random.default_rng(0))
    vocabulary = replaced.trunk.source.tower.tokenizer
    assert vocabulary.decode(code[1].tolist(), skip_special_tokens=True) == replaced.trunk.texts[row]
    expected = replaced.trunk.texts[row].replace("space", "garden")
    assert vocabulary.decode(code[0].tolist(), skip_special_tokens=True) == expected
    before = replaced.determinants(Context())
    (tmp_path / "words.txt").write_text("space,kiss\n", encoding="utf-8")
    assert replaced.determinants(Context()) != before


def test_hard_negatives_come_from_the_category_and_change_the_loss(folder: Path) -> None:
    data = replace(many_texts(), item_attributes={"genre": ["a", "b"] * 30})
    plain, hard = (SimCSE(SimCSE.Settings(path=str(folder), category=name)) for name in ("", "genre"))
    for objective in (plain, hard):
        objective.setup(data, Context(seed=1))
    rows = torch.arange(8)
    losses = []
    for objective in (plain.eval(), hard.eval()):
        objective.trunk.eval()
        losses.append(objective.loss(rows).value_B.detach())
    assert (losses[1] > losses[0]).all()  # more to be told apart from, and no dropout
    assert hard.held_out() == hard.held_out()
    assert hard.held_out() != plain.held_out()
    with pytest.raises(ConfigError, match="no attribute of items called 'gener'; did you mean 'genre'"):
        SimCSE(SimCSE.Settings(path=str(folder), category="gener")).setup(data, Context())


def test_categories_that_nothing_shares_are_refused(folder: Path) -> None:
    data = replace(many_texts(), item_attributes={"genre": [f"war, x{item}" for item in range(60)]})
    with pytest.raises(ConfigError, match="objective: no two items share a part of 'genre'") as caught:
        SimCSE(SimCSE.Settings(path=str(folder), category="genre")).setup(data, Context())
    assert caught.value.hint == "--set objective.separator=,"
    SimCSE(SimCSE.Settings(path=str(folder), category="genre", separator=",")).setup(data, Context())
    with pytest.raises(ValidationError, match="at least 1 character"):
        SimCSE.Settings(separator="")


def test_views_that_agree_and_differ_from_others_cost_nothing() -> None:
    views = torch.eye(4)
    assert float(two_view_loss(views, views, 0.05).max()) < 1e-6
    assert float(two_view_loss(views, views.roll(1, 0), 0.05).min()) > 10
    assert float(two_view_loss(views[:1], views[1:2], 0.05)) == 0  # nobody to be told apart from


def many_texts() -> TrainingData:
    rng = np.random.default_rng(0)
    words = ["space", "rocket", "robot", "planet", "laser", "alien", "wedding", "kiss", "garden", "letter"]
    texts = [" ".join(rng.choice(words, 4)) for _ in range(60)]
    return replace(checkerboard(users=4, items=60, texts=False).data, item_text_I=[*texts[:-1], texts[0]])


def trained(folder: Path, *, seed: int = 1, epochs: int = 2, cache: Path | None = None, **settings) -> tuple:
    context = Context(seed=seed, cache=cache)
    objective = SimCSE(SimCSE.Settings(path=str(folder), **settings))
    objective.setup(many_texts(), context)
    task = PretrainTask(objective, context, batch_size=16)
    plan = Plan(epochs=epochs, batch_size=16, learning_rate=1e-3, seed=context.derived_seed("torch"))
    return objective, train(task, plan, Silent())


def test_training_lowers_the_held_out_loss_and_one_seed_is_one_result(folder: Path) -> None:
    torch.manual_seed(11)
    objective, outcome = trained(folder, epochs=4, train="all")
    assert outcome.best_value < outcome.first_value
    torch.manual_seed(12)
    again, same = trained(folder, epochs=4, train="all")
    assert same.rows == outcome.rows
    np.testing.assert_array_equal(again.finish().item_features["text"], objective.finish().item_features["text"])
    other, _ = trained(folder, epochs=4, train="all", seed=2)
    assert not np.allclose(other.finish().item_features["text"], objective.finish().item_features["text"], atol=1e-4)


def test_held_out_loss_is_repeatable_and_leaves_the_generator_alone(folder: Path) -> None:
    objective = SimCSE(SimCSE.Settings(path=str(folder)))
    objective.setup(many_texts(), Context(seed=1))
    before = torch.get_rng_state()
    assert objective.held_out() == objective.held_out()
    assert torch.equal(torch.get_rng_state(), before)
    assert not set(objective.held_T.tolist()) & set(objective.kept_T.tolist())
    assert objective.n_rows + len(objective.held_T) == len(set(many_texts().item_text_I))


@pytest.mark.parametrize("mode", ["last-1", "lora", "all"])
def test_the_saved_model_gives_the_features_and_is_known_to_the_cache(
    folder: Path, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    objective, _ = trained(folder, train=mode, cache=tmp_path / "cache", seed=5, epochs=3)
    features = objective.finish().item_features["text"]
    objective.save_files(tmp_path / "version")
    check_model(tmp_path / "version" / PRETRAINED)
    fresh = TextSource(tmp_path / "version" / PRETRAINED).vectors(many_texts().item_text_I)
    np.testing.assert_allclose(fresh, features, atol=2e-5)
    frozen = TextSource(folder).vectors(many_texts().item_text_I)
    assert not np.allclose(fresh, frozen, atol=1e-4)

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(TextSource, "_encode", refuse)
    encoder = Bert()
    encoder.setup(many_texts(), Context(pretrained=tmp_path / "version", cache=tmp_path / "cache"))
    torch.testing.assert_close(encoder.table.base_ID + encoder.table.mean_D, torch.from_numpy(features))


def test_more_texts_than_wanted_are_drawn_from(folder: Path) -> None:
    objective = SimCSE(SimCSE.Settings(path=str(folder), most=7))
    objective.setup(many_texts(), Context(seed=1))
    assert objective.n_rows == len(set(objective.kept_T.tolist())) == 7
    assert not set(objective.held_T.tolist()) & set(objective.kept_T.tolist())


def test_one_text_alone_is_refused(folder: Path) -> None:
    data = replace(many_texts(), item_text_I=["same"] * 60)
    with pytest.raises(DataError, match="two distinct"):
        SimCSE(SimCSE.Settings(path=str(folder))).setup(data, Context())
