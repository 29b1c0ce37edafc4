"""Files beside the ratings are found by their names."""

from __future__ import annotations

import os

import pytest

from reccli.intake import find_companions


def found(folder, path, *names):
    for name in (path, *names):
        (folder / name).touch()
    return {kind: file.name for kind, file in find_companions(folder / path).items()}


@pytest.mark.parametrize(
    ("path", "names", "expected"),
    [
        ("ratings.csv", ["movies.csv", "tags.csv", "links.csv"], {"items": "movies.csv"}),
        ("ratings.csv.gz", ["Items.CSV.gz", "users.parquet"], {"items": "Items.CSV.gz", "users": "users.parquet"}),
        ("u.data", ["u.item", "u.user", "u.genre"], {"items": "u.item", "users": "u.user"}),
        (
            "ml.inter",
            ["ml.item", "ml.user", "ml.kg", "other.item"],
            {"items": "ml.item", "users": "ml.user", "triples": "ml.kg"},
        ),
        ("ml.train.inter", ["ml.item"], {"items": "ml.item"}),
        ("ratings.csv", ["ratings.item", "movies.csv"], {"items": "ratings.item"}),
        ("ratings.csv", ["items.csv", "movies.csv"], {"items": "items.csv"}),
        ("ratings.csv", ["kg.csv", "books.pdf"], {}),
        ("movies.csv", ["readme.txt"], {}),
    ],
)
def test_usual_names(tmp_path, path, names, expected):
    assert found(tmp_path, path, *names) == expected


def test_a_folder_is_no_companion(tmp_path):
    (tmp_path / "items.csv").mkdir()
    assert found(tmp_path, "ratings.csv") == {}


def test_nothing_lies_beside_a_pipe_or_in_a_folder(tmp_path):
    (tmp_path / "movies.csv").touch()
    os.mkfifo(tmp_path / "pipe")
    assert find_companions(tmp_path / "pipe") == {}
    assert find_companions(tmp_path) == {}
