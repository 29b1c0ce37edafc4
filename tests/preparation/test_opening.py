"""Opening files: roles, neighbours, parts, digests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reccli.errors import ConfigError, DataError
from reccli.manifest import sha256_file
from reccli.preparation.opening import Opened, digest, open_all
from reccli.settings import PrepareSettings

RATINGS = "userId,movieId,rating,kind,split\n1,2,3,view,train\n"


@dataclass(frozen=True)
class Files:
    interactions: tuple[Path, ...]
    items: Path | None = None
    users: Path | None = None
    triples: Path | None = None
    valid: Path | None = None
    test: Path | None = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(RATINGS, encoding="utf-8")
    return tmp_path


def opened(folder: Path, *, side: dict[str, Path] | None = None, **settings: Any) -> Opened:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return open_all(Files((folder / "ratings.csv",), **(side or {})), PrepareSettings(**settings), scratch=scratch)


def test_roles_that_are_not_asked_for_are_left_out(folder: Path) -> None:
    assert opened(folder).interactions[0].roles == {"user": "userId", "item": "movieId", "value": "rating"}
    found = opened(folder, event_column="kind", event_weights={"view": 1.0}, value_column="none", split="given")
    assert found.interactions[0].roles == {"user": "userId", "item": "movieId", "event": "kind", "part": "split"}


def test_an_unused_split_column_is_mentioned(folder: Path) -> None:
    assert opened(folder).notes == ["ratings.csv: column 'split' is not used (--split given takes the parts from it)"]
    assert opened(folder, split_column="split").notes == []


def test_neighbours_are_found_and_a_named_file_goes_first(folder: Path) -> None:
    (folder / "movies.csv").write_text("movieId,title\n2,Heat\n", encoding="utf-8")
    (folder / "mine.csv").write_text("movieId,title\n2,Ronin\n", encoding="utf-8")
    found = opened(folder)
    assert found.items is not None
    assert (found.items.table.path.name, dict(found.items.roles)) == ("movies.csv", {"id": "movieId", "title": "title"})
    found = opened(folder, side={"items": folder / "mine.csv"})
    assert found.items is not None
    assert found.items.table.path.name == "mine.csv"
    assert set(found.files) == {"interactions", "items"}


def test_parts_as_files_and_as_a_column_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ConfigError, match="as files and as a column"):
        opened(folder, side={"test": folder / "ratings.csv"}, split_column="split")
    with pytest.raises(ConfigError, match="fold"):
        opened(folder, split_column="fold")


def test_parts_as_files(folder: Path) -> None:
    found = opened(folder, side={"test": folder / "ratings.csv"})
    assert [source.part for source in found.interactions] == [0, 2]
    assert list(found.files) == ["interactions", "test"]


def test_digests_are_of_the_content(folder: Path) -> None:
    file = folder / "ratings.csv"
    assert opened(folder).digests["interactions"].result() == sha256_file(file)
    (folder / "other.csv").write_text("x", encoding="utf-8")
    both = digest([file, folder / "other.csv"])
    (folder / "other.csv").rename(folder / "renamed.csv")
    assert digest([file, folder / "renamed.csv"]) != both


def test_a_missing_file_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv"):
        opened(folder, side={"users": folder / "absent.csv"})
