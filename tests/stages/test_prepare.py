"""The prepare stage: files in, a committed version and lines for people out."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reccli.artifacts import Prepared
from reccli.errors import ConfigError, DataError, Interrupted
from reccli.settings import PrepareSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.prepare import Sources, prepare
from reccli.workspace import Workspace

MOVIES = """movieId,title,genres,year,imdbId
1,Toy Story (1995),Adventure|Comedy,1995,0114709
2,"Heat, the film",Action,,0113277
9,Nobody's Film,Drama,2001,007
"""
USERS = """userId,age,occupation
u1,24,cook
u2,,poet
"""
T0 = 1_000_000_000


def ratings(users: int = 3, items: int = 10) -> str:
    """Every user rates every item, one a day, starting elsewhere."""
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(users):
        for place in range(items):
            lines.append(f"u{user},{(place + user) % items},{1 + place % 5},{T0 + 86_400 * place + user}")
    return "\n".join(lines) + "\n"


class Talk:
    """A control that remembers what was said."""

    def __init__(self, **options: Any) -> None:
        self.warnings: list[str] = []
        self.control = Control(warn=self.warnings.append, **options)


def run(
    folder: Path, *, files: tuple[str, ...] = ("ratings.csv",), talk: Talk | None = None, **options: Any
) -> StageResult:
    side = {
        name: folder / options.pop(name) for name in ("items", "users", "triples", "valid", "test") if name in options
    }
    sources = Sources(tuple(folder / name for name in files), **side)
    return prepare(Workspace(folder / "ws"), sources, PrepareSettings(**options), (talk or Talk()).control)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(ratings(), encoding="utf-8")
    return tmp_path


def prepared(folder: Path) -> Prepared:
    return Prepared(Workspace(folder / "ws").current("prepare", "main"))


def test_lines_for_people(folder: Path) -> None:
    (folder / "movies.csv").write_text(MOVIES, encoding="utf-8")
    (folder / "ratings.csv").write_text(ratings() + f"u0,0,2,{T0 + 1}\n", encoding="utf-8")
    result = run(folder)
    assert result.status == "done"
    assert result.next == "reccli pretrain, or reccli finetune"
    *lines, wrote = result.lines
    assert lines == [
        "ratings.csv  31 rows  ,  userId>user movieId>item rating timestamp(s)   "
        "movies.csv  3 items, text from title, genres, year",
        "kept 30  dropped 1 (duplicate 1)   3 users  10 items  density 100.00 %",
        "split temporal 8:1:1, no leakage found",
        "task ranking   train 24  valid 3  test 3",
    ]
    assert wrote.startswith(f"wrote {folder / 'ws' / 'prepare'} (0.0 MB, ")


def test_artifacts_and_facts(folder: Path) -> None:
    (folder / "movies.csv").write_text(MOVIES, encoding="utf-8")
    result = run(folder)
    data = prepared(folder)
    assert data.items["item_id"].to_list() == [str(number) for number in range(10)]
    assert data.items["title"].to_list()[:3] == [None, "Toy Story (1995)", "Heat, the film"]
    assert data.items["text"].to_list()[:3] == [
        None,
        "Toy Story (1995) (Adventure, Comedy, 1995)",
        "Heat, the film (Action)",
    ]
    assert data.items["year"].dtype == pl.Int64
    assert data.items["imdbId"].to_list()[9] == "007"
    assert data.users["user_id"].to_list() == ["u0", "u1", "u2"]
    assert data.ordered
    assert data.task == "ranking"
    facts = data.version.manifest.facts
    expected = {
        "n_users": 3,
        "n_items": 10,
        "has_text": True,
        "has_values": True,
        "time_unit": "s",
        "has_triples": False,
    }
    assert expected.items() <= facts.items()
    assert facts["value_levels"] == [1, 2, 3, 4, 5]
    assert facts["text_columns"] == ["title", "genres", "year"]
    assert result.data["counts"]["rows_in"] == 30
    json.dumps(result.data)
    inputs = data.version.manifest.inputs
    assert {role: (Path(entry.path or "").name, entry.rows) for role, entry in inputs.items()} == {
        "interactions": ("ratings.csv", 30),
        "items": ("movies.csv", 3),
    }
    assert list(data.version.manifest.components) == ["reader:csv"]


def test_the_catalogue_has_items_that_nobody_met(folder: Path) -> None:
    (folder / "movies.csv").write_text(MOVIES + "zz,Never seen,,,\n", encoding="utf-8")
    run(folder)
    data = prepared(folder)
    assert data.items["item_id"][-1] == "zz"
    assert data.version.manifest.counts["items_without_interactions"] == 1
    frame = data.interactions
    assert data.items["item_id"].gather(frame["item"]).n_unique() == 10


def test_without_an_items_file_there_is_no_text(folder: Path) -> None:
    run(folder)
    data = prepared(folder)
    assert data.items["text"].null_count() == 10
    assert data.training_data().item_text_I is None
    assert data.version.manifest.facts["has_text"] is False


def test_user_texts_know_the_training_history_alone(folder: Path) -> None:
    (folder / "movies.csv").write_text(
        "movieId,title\n" + "".join(f"{number},T{number}\n" for number in range(10)), encoding="utf-8"
    )
    (folder / "users.csv").write_text(USERS, encoding="utf-8")
    run(folder, users="users.csv", user_text="{occupation}: {history}")
    data = prepared(folder)
    train = [", ".join(f"T{(place + user) % 10}" for place in range(8)) for user in range(3)]
    assert data.users["text"].to_list() == [train[0], f"cook: {train[1]}", f"poet: {train[2]}"]
    assert data.users["age"].to_list() == [None, 24, None]


def test_triples_get_the_codes_of_items(folder: Path) -> None:
    (folder / "kg.csv").write_text(
        "head,relation,tail\n1,directed_by,Lasseter\n1,directed_by,Lasseter\n2,like,1\n,x,y\n", encoding="utf-8"
    )
    talk = Talk()
    run(folder, triples="kg.csv", talk=talk, drop_bad_rows=True)
    frame = prepared(folder).version.read("triples")
    assert frame.rows() == [("1", "directed_by", "Lasseter", 1, None), ("2", "like", "1", 2, 1)]
    counts = prepared(folder).version.manifest.counts
    assert {name: counts[f"triples_{name}"] for name in ("repeated", "incomplete", "loops", "items")} == {
        "repeated": 1,
        "incomplete": 1,
        "loops": 0,
        "items": 2,
    }
    assert any("lack a head" in line for line in talk.warnings)


def test_given_files(folder: Path) -> None:
    (folder / "valid.csv").write_text("userId,movieId,rating,timestamp\nu0,77,1,5000000000\n", encoding="utf-8")
    (folder / "test.csv").write_text("userId,movieId,rating,timestamp\nnew,88,1,5000000001\n", encoding="utf-8")
    result = run(folder, valid="valid.csv", test="test.csv", min_rating=4)
    assert result.lines[0].count("rows") == 3
    counts = result.data["counts"]
    assert [counts[part] for part in ("train", "valid", "test", "dropped")] == [30, 1, 1, 0]
    data = prepared(folder)
    assert {"77", "88"} <= set(data.items["item_id"])
    assert "new" in data.users["user_id"]


def test_a_split_column_is_used_when_asked_for(tmp_path: Path) -> None:
    text = "user,item,split\na,x,train\na,y,test\nb,x,train\nb,z,test\n"
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    talk = Talk()
    run(tmp_path, files=("r.csv",), talk=talk)
    assert any("--split given" in line for line in talk.warnings)
    result = run(tmp_path, files=("r.csv",), split="given", split_column="split")
    assert [result.data["counts"][part] for part in ("train", "valid", "test")] == [2, 0, 2]


def test_a_bad_neighbour_costs_a_warning_and_a_named_file_an_error(folder: Path) -> None:
    (folder / "movies.csv").write_text("colour,shape\nred,round\n", encoding="utf-8")
    talk = Talk()
    assert run(folder, talk=talk).status == "done"
    assert any(line.startswith("movies.csv lies beside the ratings and is not used") for line in talk.warnings)
    assert "items" not in prepared(folder).version.manifest.inputs
    with pytest.raises(DataError):
        run(folder, items="movies.csv")


def test_several_files_are_one(folder: Path) -> None:
    lines = ratings().splitlines(keepends=True)
    (folder / "a.csv").write_text("".join(lines[:12]), encoding="utf-8")
    (folder / "b.csv").write_text("".join([lines[0], *lines[12:]]), encoding="utf-8")
    run(folder)
    whole = prepared(folder).interactions
    run(folder, files=("a.csv", "b.csv"))
    assert prepared(folder).interactions.equals(whole)


def test_packed_files_are_read(folder: Path) -> None:
    run(folder)
    whole = prepared(folder).interactions
    (folder / "packed.csv.gz").write_bytes(gzip.compress(ratings().encode()))
    run(folder, files=("packed.csv.gz",))
    assert prepared(folder).interactions.equals(whole)


def test_up_to_date_and_why_not(folder: Path) -> None:
    assert run(folder).why == ("first run",)
    again = run(folder)
    assert again.status == "up to date"
    assert again.lines[0] == "ratings.csv  30 rows  ,  userId>user movieId>item rating timestamp(s)"
    assert run(folder, min_rating=2.0).why == ("settings changed: min_rating",)
    (folder / "ratings.csv").write_text(ratings(items=11), encoding="utf-8")
    assert "input changed" in run(folder, min_rating=2.0).why[0]
    os.utime(folder / "ratings.csv", (4e9, 4e9))  # fault 77: content counts, times of files never
    assert run(folder, min_rating=2.0).status == "up to date"


def test_dry_run_writes_nothing(folder: Path) -> None:
    result = run(folder, talk=Talk(dry_run=True))
    assert (result.status, result.version, result.lines) == ("planned", None, ())
    assert not (folder / "ws").exists()


def test_behaviours_keep_the_strongest_of_a_pair_unless_told_otherwise(tmp_path: Path) -> None:
    text = "user,item,event,timestamp\nu,a,buy,1000000001\nu,a,view,1000000002\nu,b,view,1000000003\n"
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    weights = {"view": 1.0, "buy": 5.0}
    run(tmp_path, files=("r.csv",), event_weights=weights)
    assert prepared(tmp_path).interactions["weight"].sort().to_list() == [1.0, 5.0]
    assert prepared(tmp_path).version.manifest.settings["duplicates"] == "max"
    run(tmp_path, files=("r.csv",), event_weights=weights, duplicates="last")
    assert prepared(tmp_path).interactions["weight"].to_list() == [1.0, 1.0]


def test_rejected_rows_stand_in_the_artifact(folder: Path) -> None:
    (folder / "ratings.csv").write_text(ratings() + "u1,1,five,1000000000\n,2,3,1000000000\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 32: rating is not a number"):
        run(folder)
    run(folder, drop_bad_rows=True)
    frame = prepared(folder).version.read("rejected")
    assert frame.rows() == [
        ("no user id", 1, "ratings.csv", 33, ",2,3,1000000000"),
        ("rating is not a number", 1, "ratings.csv", 32, "u1,1,five,1000000000"),
    ]


@pytest.mark.fault(53)
def test_a_file_that_changes_while_it_is_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reccli.preparation import surroundings

    def meddle(*arguments: Any) -> Any:
        (folder / "ratings.csv").write_text(ratings(users=4), encoding="utf-8")
        return surround(*arguments)

    surround = surroundings.surround
    monkeypatch.setattr(surroundings, "surround", meddle)
    with pytest.raises(DataError, match="was changed while it was read"):
        run(folder)
    assert not (folder / "ws" / "prepare").exists()


def test_a_signal_stops_between_steps(folder: Path) -> None:
    with pytest.raises(Interrupted):
        run(folder, talk=Talk(stop=lambda: 15))
    assert list((folder / "ws" / ".reccli" / "tmp").iterdir()) == []


def test_no_files_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no file with interactions"):
        run(folder, files=())


SCRIPT = """
import sys
from pathlib import Path
from reccli.settings import PrepareSettings
from reccli.stages.common import Control
from reccli.stages.prepare import Sources, prepare
from reccli.workspace import Workspace
folder = Path(sys.argv[1])
settings = PrepareSettings(split=sys.argv[3], duplicates="mean", core=(2, 2))
result = prepare(Workspace(folder / sys.argv[2]), Sources((folder / "ratings.csv",)), settings, Control())
assert not {"torch", "transformers", "sklearn", "scipy"} & set(sys.modules), "a heavy import"
print({name: output.sha256 for name, output in result.version.manifest.outputs.items()})
"""


@pytest.mark.fault(131, 136)
@pytest.mark.parametrize("split", ["temporal", "random"])
def test_the_same_bytes_whatever_the_threads_and_the_hash_seed(folder: Path, split: str) -> None:
    outcomes = []
    for number, (threads, seed) in enumerate((("1", "0"), ("2", "1"), ("3", "2"))):
        environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder), f"ws{number}", split],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outcomes.append(done.stdout)
    assert "interactions.parquet" in outcomes[0]
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.fault(78, 132)
def test_a_shuffled_file_gives_the_same_bytes(folder: Path) -> None:
    def digests() -> dict[str, str]:
        outputs = prepared(folder).version.manifest.outputs
        return {name: output.sha256 for name, output in outputs.items()}

    run(folder)
    straight = digests()
    header, *lines = ratings().splitlines(keepends=True)
    (folder / "ratings.csv").write_text(header + "".join(sorted(lines, key=lambda line: line[::-1])), encoding="utf-8")
    run(folder)
    assert digests() == straight


@pytest.mark.realdata
def test_movielens(shared_data: Path, tmp_path: Path) -> None:
    ratings_file = shared_data / "ml-latest-small" / "raw" / "ratings.csv"
    result = prepare(Workspace(tmp_path), Sources((ratings_file,)), PrepareSettings(), Talk().control)
    assert list(result.lines[:2]) == [
        "ratings.csv  100,836 rows  ,  userId>user movieId>item rating timestamp(s)   "
        "movies.csv  9,742 items, text from title, genres",
        "kept 100,836  dropped 0   610 users  9,724 items  density 1.70 %",
    ]


def test_a_file_beside_without_a_common_id_is_told(folder: Path) -> None:
    (folder / "movies.csv").write_text("movieId,title\n007,Seven\n08,Eight\n", encoding="utf-8")
    (folder / "users.csv").write_text("userId,age\nx1,24\n", encoding="utf-8")
    talk = Talk()
    run(folder, users="users.csv", talk=talk)
    assert talk.warnings[:2] == [
        "movies.csv: none of its items occurs in the interactions (ids as '007' here, '0' there); "
        "leading zeros were lost in one of them",
        "users.csv: none of its users occurs in the interactions (ids as 'x1' here, 'u0' there); "
        "is 'userId' its column of ids?",
    ]


def test_triples_without_an_item_are_told(folder: Path) -> None:
    (folder / "kg.csv").write_text("head,relation,tail\nm1,genre,drama\n", encoding="utf-8")
    talk = Talk()
    run(folder, triples="kg.csv", talk=talk)
    assert talk.warnings == [
        "kg.csv: no head or tail is an item id of the catalogue (heads as 'm1', items as '0'), so nothing can be "
        "learned from it"
    ]


def test_decimal_commas_are_read_and_told(folder: Path) -> None:
    def prepared_with(*values: str) -> Talk:
        rows = [f"u{place % 3};i{place};{value};{T0 + place}" for place, value in enumerate(values)]
        (folder / "ratings.csv").write_text("\n".join(["userId;movieId;rating;timestamp", *rows]), encoding="utf-8")
        talk = Talk()
        run(folder, talk=talk, split="random")
        return talk

    talk = prepared_with("4,5", "3", "2,25", "-1,0")
    assert "ratings.csv: the comma in 'rating' is read as a decimal point" in talk.warnings
    assert sorted(prepared(folder).interactions["value"].to_list()) == [-1.0, 2.25, 3.0, 4.5]
    for values in (("4,5", "3.5"), ("1,234", "12"), ("4,5", "good")):
        with pytest.raises(DataError, match="rating is not a number"):
            prepared_with(*values)


def test_a_date_that_cannot_be_read_is_told_with_file_and_column(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,date\nu1,1,09/22/2020\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"^ratings.csv: time column 'date': '09/22/2020' is no time$") as told:
        run(folder)
    assert (
        told.value.hint
        == "write dates as 2024-06-30, 2024-06-30 18:05:00 or 30.06.2024, or go without: --time-col none"
    )


def test_a_column_that_is_taken_is_no_guess_for_another_role(folder: Path) -> None:
    with pytest.raises(DataError) as told:
        run(folder, value_column="movieId")
    assert told.value.message.endswith(
        "column 'movieId' is taken as the value, and no other serves as the item (userId, movieId, rating, timestamp)"
    )
    assert told.value.hint == "for the value: --value-col COLUMN"
