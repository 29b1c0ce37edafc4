"""Deciding whether a stage runs: by what went in, the parents' content included."""

from __future__ import annotations

from pathlib import Path

from reccli.stages.common import Control, run_stage
from reccli.workspace import Version, Workspace


def run(space: Workspace, stage: str, text: str, *, parents: tuple[Version, ...] = (), force: bool = False) -> str:
    def build(draft, manifest) -> None:  # type: ignore[no-untyped-def]
        draft.write_text("note.txt", text)

    status, _, why = run_stage(
        space, stage, "main", settings={"a": 1}, parents=parents, control=Control(force=force), build=build
    )
    return " ".join([status, *why])


def test_a_forced_parent_of_another_content_makes_the_child_stale(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    run(space, "pretrain", "old code")
    old = space.current("pretrain")
    assert run(space, "finetune", "x", parents=(old,)) == "done first run"
    assert run(space, "pretrain", "new code", force=True) == "done forced"
    new = space.current("pretrain")
    assert new.fingerprint == old.fingerprint
    assert run(space, "finetune", "x", parents=(new,)) == "done pretrain/main is newer"


def test_a_forced_parent_of_the_same_content_does_not(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    run(space, "pretrain", "same")
    run(space, "finetune", "x", parents=(space.current("pretrain"),))
    run(space, "pretrain", "same", force=True)
    assert run(space, "finetune", "x", parents=(space.current("pretrain"),)) == "up to date"
