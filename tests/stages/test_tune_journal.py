"""Locks and the journal of a search: who works on it, and what a killed process leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna")

from reccli.errors import LockedError, StorageError
from reccli.stages import tune_journal
from reccli.stages.tune_journal import Guard, Workers, open_journal


def test_a_worker_lives_until_it_leaves(tmp_path: Path) -> None:
    one, other = Workers(tmp_path), Workers(tmp_path)
    with one.alone():
        one.enter()
        assert one.lives(one.name)
    with other.alone():
        other.enter()
        assert other.lives(one.name)
        assert other.others() == 1
        assert not other.lives("nobody")
        assert not other.lives(None)
    one.close()
    with other.alone():
        assert not other.lives(one.name)
        assert other.others() == 0
    other.close()
    assert not list(tmp_path.glob("worker-*"))


def test_drafts_of_the_dead_are_swept(tmp_path: Path) -> None:
    one, other = Workers(tmp_path), Workers(tmp_path)
    with one.alone():
        one.enter()
    for name in (one.name, "dead"):
        (tmp_path / "drafts" / name).mkdir(parents=True)
    with other.alone():
        other.enter()
        other.sweep(tmp_path / "drafts")
        other.sweep(tmp_path / "nothing")
    assert [path.name for path in (tmp_path / "drafts").iterdir()] == [one.name]
    one.close()
    other.close()


def test_who_is_alone_keeps_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_journal, "PATIENCE", 0.05)
    held = pytest.raises(LockedError, match="held by another process")
    with Workers(tmp_path).alone(), held, Workers(tmp_path).alone():
        pass


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("a\n", "a\n"),
        ("a\nb", "a\n"),
        ("a", ""),
        ("a\n" + "b" * 9000, "a\n"),
        ("a" * 9000 + "\nb", "a" * 9000 + "\n"),
    ],
)
def test_half_a_line_is_cut_off(tmp_path: Path, text: str, left: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(text)
    guard = Guard(path)
    assert guard.acquire()
    guard.release()
    assert path.read_text() == left


def test_a_held_journal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_journal, "PATIENCE", 0.05)
    path = tmp_path / "journal.jsonl"
    path.touch()
    first = Guard(path)
    first.acquire()
    with pytest.raises(LockedError):
        Guard(path).acquire()
    first.release()


def test_a_journal_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_journal(tmp_path / "file" / "journal.jsonl")
