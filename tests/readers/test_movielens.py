"""The movielens reader: the published shapes, as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.errors import DataError
from reccli.intake import open_table, roles
from reccli.readers.movielens import MovieLens
from reccli.settings import PrepareSettings
from reccli.testing import ReaderConformance

U_DATA = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n"
U_ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    '2|"Misérables|01-Jan-1995||http://y|1' + "|0" * 18 + "\n3|None||||" + "|".join("0" * 19) + "\n"
)
RATINGS_DAT = "1::1193::5::978300760\n2::661::3::978302109\n"
MOVIES_DAT = "1::Toy Story (1995)::Animation|Comedy\n2::Misérables: II::Drama\n"


class TestMovieLens(ReaderConformance):
    component = "movielens"

    def write_sample(self, folder):
        (folder / "u.data").write_text(U_DATA, encoding="utf-8")
        return folder / "u.data"

    def sample_rows(self):
        return [("196", "242", "3", "881250949"), ("186", "302", "3", "891717742")]


class TestMovieLensColons(TestMovieLens):
    def write_sample(self, folder):
        (folder / "ratings.dat").write_text(RATINGS_DAT, encoding="utf-8")
        return folder / "ratings.dat"

    def sample_rows(self):
        return [("1", "1193", "5", "978300760"), ("2", "661", "3", "978302109")]


class TestMovieLensFolder(TestMovieLens):
    def write_sample(self, folder):
        (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.0,964982703\n", encoding="utf-8")
        (folder / "movies.csv").write_text('movieId,title,genres\n2,"Heat, The",Crime\n', encoding="utf-8")
        return folder

    def sample_rows(self):
        return [("1", "2", "4.0", "964982703")]


def opened(path, kind="interactions", **settings):
    return open_table(path, PrepareSettings(**settings), kind=kind)


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_genre_flags_become_names(tmp_path, encoding):
    table = opened(write(tmp_path / "u.item", U_ITEM, encoding), "items")
    frame = table.frame.collect()
    assert frame.columns == ["item_id", "title", "release_date", "video_release_date", "imdb_url", "genres"]
    assert frame["genres"].to_list() == ["Animation|Children's|Comedy", "unknown", ""]
    assert frame["title"].to_list() == ["Toy Story (1995)", '"Misérables', "None"]
    assert table.found["encoding"] == encoding


def test_an_item_without_all_flags_is_a_bad_row(tmp_path):
    write(tmp_path / "u.item", U_ITEM + "4|Short|x||y|0\n")
    with pytest.raises(DataError, match="line 4: 6 fields instead of 24"):
        opened(tmp_path / "u.item", "items")


@pytest.mark.fault(63)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_f63_colons(tmp_path, encoding):
    table = opened(write(tmp_path / "movies.dat", MOVIES_DAT, encoding), "items")
    assert table.frame.collect().rows() == [
        ("1", "Toy Story (1995)", "Animation|Comedy"),
        ("2", "Misérables: II", "Drama"),
    ]
    assert roles.assign(table, PrepareSettings(), "items") == {"id": "item_id", "title": "title"}
    assert table.found["delimiter"] == "::"


def test_users(tmp_path):
    table = opened(write(tmp_path / "users.dat", "1::F::1::10::48067\n"), "users")
    assert table.frame.collect().to_dicts() == [
        {"user_id": "1", "gender": "F", "age": "1", "occupation": "10", "zip_code": "48067"}
    ]
    table = opened(write(tmp_path / "u.user", "1|24|M|technician|85711\n"), "users")
    assert table.frame.collect().to_dicts() == [
        {"user_id": "1", "age": "24", "gender": "M", "occupation": "technician", "zip_code": "85711"}
    ]


@pytest.mark.parametrize(
    ("names", "companions"),
    [
        (["u.data", "u.item", "u.user"], {"items": "u.item", "users": "u.user"}),
        (["ratings.dat", "movies.dat"], {"items": "movies.dat"}),
        (["u.data"], {}),
    ],
)
def test_folders(tmp_path, names, companions):
    for name in names:
        write(tmp_path / name, U_DATA if name == "u.data" else RATINGS_DAT)
    table = opened(tmp_path)
    assert {kind: file.name for kind, file in table.companions.items()} == companions
    assert table.frame.collect().height == 2
    assert list(roles.assign(table, PrepareSettings())) == ["user", "item", "value", "time"]
    assert table.found["file"] == names[0]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("u.data", b"1\t2\t3\t4\n", True),
        ("u1.base", b"1\t2\t3\t4\n", True),
        ("u.data", b"user\titem\n", False),
        ("other.data", b"1\t2\t3\t4\n", False),
        ("ratings.dat", b"1::2::3::4\n", True),
        ("ratings.dat", b"userID\tmovieID\n", False),
        ("plays.dat", b"1::2::3::4\n", False),
        ("ratings.csv", b"userId,movieId\n", False),
    ],
)
def test_it_knows_the_published_names_with_their_shape(name, head, expected):
    assert MovieLens().recognises(Path(name), head) is expected


def test_a_folder_of_something_else(tmp_path):
    write(tmp_path / "ratings.csv", "user,item\n1,2\n")
    assert not MovieLens().recognises(tmp_path, b"")
    with pytest.raises(DataError, match=r"no ratings\.csv with movies\.csv"):
        MovieLens().open(tmp_path, delimiter=None, encoding=None, header=None)


@pytest.mark.realdata
def test_the_real_folder(shared_data):
    table = opened(shared_data / "ml-latest-small" / "raw")
    assert table.found["rows"] == "100836"
    items = opened(table.companions["items"], "items")
    assert items.frame.collect().height == 9742
