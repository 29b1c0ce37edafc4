"""Recommending items and users that came after training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.errors import ConfigError, DataError, MissingArtifactError, ReccliError
from reccli.settings import FinetuneSettings, RecommendSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.finetune import finetune
from reccli.stages.recommend import _unfitted, recommend
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

torch.set_num_threads(1)
NEW = (
    "item,title,genres\nn1,The rocket planet robot story,space|robot\nn2,The kiss garden dance story,wedding|dance\n"
    "i3,another title,space\nn4,,\nn1,again,space\n,nameless,space\n"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("shop")
    workspace = shop(folder)
    path = str(tiny_bert(folder / "tiny"))
    for encoder, given in (("bert", {"path": path}), ("mf", {"dim": 4})):
        values = {"encoder": encoder, "encoder_settings": given, "epochs": 2, "device": "cpu", "threads": 1}
        finetune(workspace, FinetuneSettings(**values), Control())
    (folder / "new.csv").write_text(NEW)
    return workspace


def ask(workspace: Workspace, run: str = "bert-infonce", **values: Any) -> tuple[StageResult, pl.DataFrame, list[str]]:
    warned: list[str] = []
    result = recommend(workspace, RecommendSettings(run=run, device="cpu", **values), Control(warn=warned.append))
    assert result.version is not None
    return result, result.version.read("recommendations"), warned


def new_file(workspace: Workspace) -> str:
    return str(workspace.path.parent / "new.csv")


def test_new_items_are_listed_among_the_catalogue_by_their_texts(workspace: Workspace) -> None:
    result, frame, warned = ask(workspace, k=18, new_items=new_file(workspace), include_seen=True)
    assert frame.height == 24 * 18
    mine = frame.filter(pl.col("item_id").is_in(["n1", "n2"]))
    assert mine.height == 48
    assert set(mine["title"]) == {"The rocket planet robot story", "The kiss garden dance story"}
    assert warned == [
        "new.csv: 1 rows repeat an id; the first row of an id counts",
        "new.csv: 1 rows have no id",
        "new.csv: 1 rows are in the catalogue, and listed as what they are there",
        "new.csv: 1 rows have no text and are left out",
    ]
    assert result.data["new_items"] == 2
    assert "2 new items by their texts among 16 of the catalogue, in 48 rows" in result.lines
    version = workspace.current("finetune", "bert-infonce")
    fitted = load_encoder(version, _prepared(workspace))
    text = "The rocket planet robot story (space, robot)"  # as `prepare` wrote the catalogue's texts
    assert _prepared(workspace).items["text"][0].endswith(" (space, robot)")
    score = fitted.user_vectors(_prepared(workspace).histories()) @ fitted.text_vectors([text])[0]
    got = mine.filter(pl.col("item_id") == "n1")
    users = _prepared(workspace).users["user_id"].to_list()
    for user, value in zip(got["user_id"], got["score"], strict=True):
        assert value == pytest.approx(score[users.index(user)], abs=1e-5)


def _prepared(workspace: Workspace) -> Any:
    from reccli.artifacts import Prepared

    return Prepared(workspace.current("prepare"))


def test_new_items_alone(workspace: Workspace) -> None:
    _, frame, _ = ask(workspace, new_items=new_file(workspace), only_new=True, explain=True)
    assert set(frame["item_id"]) == {"n1", "n2"}
    assert frame["rank"].max() == 2
    assert frame["reason"].str.starts_with("because of The ").all()
    denied = ask(workspace, new_items=new_file(workspace), only_new=True, items_deny=("n2", "i0"))[1]
    assert set(denied["item_id"]) == {"n1"}


def test_the_content_of_the_file_decides_whether_lists_are_made_again(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("item,title\nn9,A planet\n")
    first = ask(workspace, new_items=str(tmp_path / "a.csv"))[0]
    assert first.status == "done"
    assert ask(workspace, new_items=str(tmp_path / "b.csv"))[0].status == "up to date"
    (tmp_path / "b.csv").write_text("item,title\nn9,A wedding\n")
    again = ask(workspace, new_items=str(tmp_path / "b.csv"))[0]
    assert again.status == "done"
    assert any(reason.startswith("input changed") for reason in again.why)


def test_a_user_who_says_what_is_wanted(workspace: Workspace) -> None:
    catalogue = _prepared(workspace).items
    text = catalogue["text"][4]
    _, frame, _ = ask(workspace, user_text=text, k=3)
    assert frame["user_id"].to_list() == ["text"] * 3
    assert frame["item_id"][0] == catalogue["item_id"][4]  # who says what an item says is closest to it
    assert frame["score"].is_sorted(descending=True)


@pytest.mark.parametrize(
    ("run", "values", "message", "hint"),
    [
        ("mf-softmax", {"new_items": "NEW"}, "knows only the items it was trained on", "finetune --encoder bert"),
        ("mf-softmax", {"user_text": "space"}, "does not read texts of users", "finetune --encoder bert"),
        ("mf-softmax", {"history": ("i0",)}, "knows only the users it was trained on", "finetune --encoder history"),
        ("bert-infonce", {"only_new": True}, "--only-new lists new items, and none are given", "--items FILE"),
        ("bert-infonce", {"user_text": " "}, "--user-text is empty", "say what is wanted"),
        ("bert-infonce", {"user_text": "a", "history": ("i0",)}, "--history and --user-text say who", None),
        ("bert-infonce", {"new_items": "/no/such.csv"}, "no such file: /no/such.csv", "--items FILE"),
        ("bert-infonce", {"users": ("nobody",)}, "no user called 'nobody'", "recommend --history"),
        ("bert-infonce", {"users": ("no (one)",)}, "no user called 'no (one)'", "recommend --history"),
        ("bert-infonce", {"history": ("i0", "y z")}, "no item called 'y z'", "those with a comma in quotes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_with_the_next_step(
    workspace: Workspace, run: str, values: dict[str, Any], message: str, hint: str | None
) -> None:
    values = {name: new_file(workspace) if value == "NEW" else value for name, value in values.items()}
    with pytest.raises(ReccliError) as caught:
        ask(workspace, run, **values)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("item,title\ni0,Old\nn5,\n", DataError, "has no new item with a text"),
        ("item,title\n", DataError, "no rows"),
        ("titel,genres\nx,y\n", DataError, "new.csv"),
    ],
)
def test_files_without_news_are_refused(
    workspace: Workspace, tmp_path: Path, content: str, error: type[ReccliError], message: str
) -> None:
    (tmp_path / "new.csv").write_text(content)
    with pytest.raises(error, match=message):
        ask(workspace, new_items=str(tmp_path / "new.csv"))


def test_a_template_that_the_file_does_not_meet(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=8, item_text="{title}: {genres}")
    values = {"encoder": "bert", "encoder_settings": {"path": str(tiny_bert(tmp_path / "tiny"))}, "epochs": 1}
    finetune(workspace, FinetuneSettings(**values, device="cpu", threads=1), Control())
    (tmp_path / "new.csv").write_text("item,title\nn9,A planet\n")
    with pytest.raises(ConfigError, match="no column in the item text template called 'genres'"):
        ask(workspace, new_items=str(tmp_path / "new.csv"))
    (tmp_path / "new.csv").write_text("item,title,genres,year\nn9,A planet,space,1999\n")
    assert ask(workspace, new_items=str(tmp_path / "new.csv"), only_new=True)[1]["item_id"].to_list() == ["n9"] * 12


def test_a_catalogue_without_texts_has_taught_nothing_about_texts(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=8)
    (tmp_path / "items.csv").unlink()
    from reccli.settings import PrepareSettings
    from reccli.stages.prepare import Sources, prepare

    prepare(workspace, Sources((tmp_path / "ratings.csv",)), PrepareSettings(), Control())
    values = {"encoder": "bert", "encoder_settings": {"path": str(tiny_bert(tmp_path / "tiny"))}, "epochs": 1}
    finetune(workspace, FinetuneSettings(**values, device="cpu", threads=1), Control())
    (tmp_path / "new.csv").write_text(NEW)
    with pytest.raises(MissingArtifactError, match="no item of the catalogue has a text"):
        ask(workspace, new_items=str(tmp_path / "new.csv"))


def test_users_by_their_texts_need_no_history(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=8, user_texts=True)
    given = {"path": str(tiny_bert(tmp_path / "tiny")), "user": "text"}
    values = {"encoder": "bert", "encoder_settings": given, "epochs": 1, "device": "cpu", "threads": 1}
    facts = finetune(workspace, FinetuneSettings(**values), Control()).data
    assert (facts["serves_new_users"], facts["serves_user_texts"], facts["users_by_text"]) == (False, True, True)
    result, frame, _ = ask(workspace, k=2)
    assert result.data["popularity_users"] == 0
    assert frame.height == 24
    text = _prepared(workspace).users["text"][0]
    said = ask(workspace, k=2, user_text=text, include_seen=True)[1]
    own = ask(workspace, k=2, users=(_prepared(workspace).users["user_id"][0],), include_seen=True)[1]
    assert said["item_id"].to_list() == own["item_id"].to_list()
    with pytest.raises(ConfigError, match="knows only the users it was trained on"):
        ask(workspace, history=("i0",))


@pytest.mark.parametrize(
    ("items", "users", "cost"),
    [
        (3, 0, "it cannot reach 3 of 60 items"),
        (0, 1200, "it cannot reach 1,200 users"),
        (2, 7, "it cannot reach 2 of 60 items and 7 users"),
        (0, 0, "it has not learned from the held-out rows"),
    ],
)
def test_what_a_run_without_a_refit_misses_is_said(items: int, users: int, cost: str) -> None:
    facts = {"unreachable_items": items, "catalogue": 60, "popularity_users": users}
    told = _unfitted(SimpleNamespace(title="mf"), facts)  # type: ignore[arg-type]
    assert told == f"run mf was not refitted on all that is known: {cost}; its finetune with --refit mends that"
