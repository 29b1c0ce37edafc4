"""The shared text model: its texts, what is held out, what `auto` means, and what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.api import Context
from reccli.errors import DataError
from reccli.nn.text_folder import PRETRAINED, check_model
from reccli.nn.text_trunk import TrunkSettings, most_texts, text_trunk, trunk_determinants
from reccli.testing.worlds import checkerboard

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


def opened(folder: Path, context: Context, texts: list[str] | None = None, **settings):
    data = checkerboard(users=6, items=40).data
    data = data if texts is None else replace(data, item_text_I=texts)
    return text_trunk(TrunkSettings(path=str(folder), **settings), data, context)


def test_each_text_counts_once_and_blank_ones_not_at_all(folder: Path) -> None:
    texts = ["space robot", " ", "garden", "space robot", *["kiss"] * 36]
    trunk = opened(folder, Context(), texts)
    assert trunk.texts == ["garden", "kiss", "space robot"]
    assert trunk.text_I[:5].tolist() == [2, -1, 0, 2, 1]
    assert trunk.item_vectors().shape == (40, trunk.size)
    with pytest.raises(DataError, match="two distinct"):
        opened(folder, Context(), ["same"] * 40)


def test_held_out_texts_are_a_twentieth_that_nobody_trains_on(folder: Path) -> None:
    trunk = opened(folder, Context(seed=3))
    assert len(trunk.held_T) == 2
    assert sorted([*trunk.held_T, *trunk.kept_T()]) == list(range(40))
    few = trunk.kept_T(7)
    assert len(few) == 7
    assert not set(few) & set(trunk.held_T)
    np.testing.assert_array_equal(opened(folder, Context(seed=3)).held_T, trunk.held_T)


def test_vectors_of_a_batch_are_those_of_the_texts_and_have_gradients(folder: Path) -> None:
    trunk = opened(folder, Context(), train="last-1").eval()
    text_B = np.array([5, 2, 5, 9])
    vector_BD = trunk(text_B)
    np.testing.assert_allclose(vector_BD.detach().numpy(), trunk.text_vectors()[text_B], atol=1e-6)
    vector_BD.sum().backward()
    assert any(bool(p.grad.any()) for p in trunk.parameters() if p.grad is not None)
    assert len(list(trunk.parameters())) == len(next(trunk.groups())["params"]) > 0


def test_one_run_has_one_model_and_writes_it_once(folder: Path, tmp_path: Path) -> None:
    context = replace(Context(), shared={})
    trunk = opened(folder, context)
    assert opened(folder, context) is trunk
    assert opened(folder, Context()) is not trunk
    trunk.save(tmp_path / "version")
    check_model(tmp_path / "version" / PRETRAINED)
    (tmp_path / "version" / PRETRAINED / "config.json").unlink()
    trunk.save(tmp_path / "version")
    assert not (tmp_path / "version" / PRETRAINED / "config.json").exists()


def test_what_auto_means(folder: Path) -> None:
    cuda = Context(device="cuda:0")
    settings = TrunkSettings(path=str(folder))
    assert [trunk_determinants(settings, context)["train"] for context in (Context(), cuda)] == ["last-2", "all"]
    assert [most_texts(settings, context) for context in (Context(), cuda)] == [5000, None]
    assert most_texts(TrunkSettings(most=0), Context()) is None
    assert most_texts(TrunkSettings(most=9), cuda) == 9


def test_passes_take_every_row_once_and_are_cut_to_their_longest(folder: Path) -> None:
    trunk = opened(folder, Context(), train="last-1")
    length = torch.randint(0, 9, (50,), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(9) < length[:, None]
    passes = list(trunk.passes(mask))
    assert sorted(torch.cat([rows for rows, _ in passes]).tolist()) == list(range(50))
    assert [cut for _, cut in passes] == [max(int(length[rows].max()), 1) for rows, _ in passes]
    assert [len(rows) for rows, _ in passes] == [16, 16, 16, 2]
    assert sum(len(rows) * cut for rows, cut in passes) < 0.8 * mask.numel()
