"""Texts are data: whatever stands in them, every text encoder gives a finite vector, in bounded time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli import registry
from reccli.api import Context
from reccli.nn.text_tokens import FEWEST_LETTERS, readable
from reccli.settings import FinetuneSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.recommend import recommend
from reccli.testing import checkerboard

torch.set_num_threads(1)
SCRIPTS = [
    "Heat", "Жара", "Θερμότητα", "ջերմություն", "חום", "حرارة", "ܚܘܡܐ", "ހޫނު", "गर्मी", "তাপ", "ਗਰਮੀ", "ગરમી", "ତାପ",
    "வெப்பம்", "వేడి", "ಶಾಖ", "ചൂട്", "තාපය", "ความร้อน", "ຄວາມຮ້ອນ", "ཚ་དྲོད", "အပူ", "სითბო", "열", "ሙቀት",
    "ᎤᏗᎴᎦ", "ᐅᖅᑰᓂᖅ", "ᚻᚫᛏᚢ", "កំដៅ", "ᠳᠤᠯᠠᠭᠠᠨ", "热", "ねつ", "ネツ", "ㄖㄜˋ", "ꆈꌠ", "ⵜⴰⵔⵖⵉ", "ⲡϩⲙⲟⲙ", "𐍈𐌰𐌻𐌴",
    "𐤇𐤌", "𒉈", "߬ߝߊ߲",
]  # fmt: skip
STRANGE = [
    "", " ", "\x00", "\x1b[2J\x07", "".join(map(chr, range(32))), "\u202eright to left", "\u200b\ufeff", "\ud800 half",
    "a" * 5000, "é" * 3, "e\u0301" * 3, "😀" * 200, "=cmd()", "<script>", "{title}", "[MASK] [SEP] <|endoftext|>",
    "\n\r\t", "../../etc/passwd",
]  # fmt: skip
TEXTS = [*SCRIPTS, *STRANGE]
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "hybrid": {"dim": 4},
    "bert-cross": {"shown": 2, "train": "head"},
}


@pytest.fixture(scope="module", params=["bert", "gpt"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("m") / "tiny"
    return tiny_bert(place) if request.param == "bert" else tiny_gpt(place)


def test_there_are_forty_scripts() -> None:
    assert len(SCRIPTS) >= 40


@pytest.mark.fault(85)
@pytest.mark.parametrize("name", ENCODERS)
def test_f085_any_text_gives_a_finite_vector(folder: Path, tmp_path: Path, name: str) -> None:
    world = checkerboard(users=12, items=len(TEXTS), task="rating" if name == "bert-cross" else "ranking")
    data = replace(world.data, item_text_I=TEXTS, user_text_U=(TEXTS[-12:]))
    encoder = registry.create("encoder", name, {"path": str(folder), **ENCODERS[name]})
    encoder.setup(data, Context(seed=1, cache=tmp_path))
    encoder.eval()
    assert encoder.export_items().isfinite().all()
    if encoder.joint:
        with torch.no_grad():
            user = torch.arange(12).repeat_interleave(len(TEXTS))
            assert encoder.scores(user, torch.arange(len(TEXTS)).repeat(12)).isfinite().all()
        return
    assert encoder.encode_texts(TEXTS).isfinite().all()
    assert encoder.encode_user_texts(TEXTS).isfinite().all()
    again = registry.create("encoder", name, {"path": str(folder), **ENCODERS[name]})
    again.setup(data, Context(seed=1, cache=tmp_path))  # from the cache, which keeps texts apart by their digests
    torch.testing.assert_close(again.eval().export_items(), encoder.export_items())


@pytest.mark.fault(85)
@pytest.mark.parametrize(
    "piece", ["word ", "a", "é", "宇", " ", "\x00", "😀"], ids=["words", "a", "é", "宇", "blank", "nul", "emoji"]
)
def test_f085_a_text_of_a_megabyte_costs_no_more_than_its_beginning(folder: Path, piece: str) -> None:
    from reccli.nn.text_tower import TextTower

    text = piece * ((1 << 20) // len(piece.encode()))
    tower = TextTower(folder, seed=0).eval()
    tower.tokenise(["warm up"])
    begun = time.perf_counter()
    tokens = tower.tokenise([text] * 4)
    assert time.perf_counter() - begun < 20
    assert int(tokens.length_T.max()) <= tower.max_length
    with torch.no_grad():
        assert tower.encode(tokens, np.arange(4)).isfinite().all()
    assert tokens.code_S.tolist() == tower.tokenise([text[:FEWEST_LETTERS]] * 4).code_S.tolist()


def test_what_is_cut_and_mended_is_what_no_model_reads() -> None:
    plain = ["The rocket story", "x" * FEWEST_LETTERS]
    assert readable(plain, max_length=64) == plain
    assert readable(["y" * (FEWEST_LETTERS + 5)], max_length=64) == ["y" * FEWEST_LETTERS]
    assert readable(["a\ud800b", "\udcff"], max_length=64) == ["a?b", "?"]
    assert len(readable(["y" * 10**6], max_length=8192)[0]) == 64 * 8192


@pytest.mark.fault(125)
def test_f125_titles_of_new_items_are_kept_as_they_are(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=8)
    given = {"path": str(tiny_bert(tmp_path / "tiny"))}
    values = {"encoder": "bert", "encoder_settings": given, "epochs": 1, "device": "cpu", "threads": 1}
    finetune(workspace, FinetuneSettings(**values), Control())
    titles = [title for title in TEXTS if title.strip() and not any(0xD800 <= ord(letter) < 0xE000 for letter in title)]
    lines = [json.dumps({"item": f"n{number}", "title": title}) for number, title in enumerate(titles)]
    (tmp_path / "new.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = RecommendSettings(new_items=str(tmp_path / "new.jsonl"), only_new=True, k=len(titles), device="cpu")
    version = recommend(workspace, settings, Control()).version
    assert version is not None
    frame = version.read("recommendations").filter(pl.col("user_id") == "u0").unique("item_id").sort("item_id")
    by_id = dict(zip(frame["item_id"], frame["title"], strict=True))
    for number, title in enumerate(titles):
        if f"n{number}" in by_id and title == title.strip():
            assert by_id[f"n{number}"] == title
    assert len(by_id) >= len(SCRIPTS)
    settings = RecommendSettings(user_text="a half \ud800 and \x00 and 宇宙", device="cpu", k=2)
    found = recommend(workspace, settings, Control()).version
    assert found is not None
    assert found.read("recommendations").height == 2
