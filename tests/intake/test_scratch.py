"""Intermediate bytes go to the scratch folder, or stay in memory."""

from __future__ import annotations

from reccli.intake.scratch import scratch_folder, store


def test_without_a_folder_bytes_stay_in_memory():
    assert store([b"a", b"b"], "x.csv") == b"ab"


def test_with_a_folder_each_gets_a_file_of_its_own(tmp_path):
    with scratch_folder(tmp_path / "s"):
        first, second = store([b"a"], "x.csv"), store([b"b"], "x.csv")
    assert first != second
    assert (first.read_bytes(), second.read_bytes()) == (b"a", b"b")
    assert first.is_relative_to(tmp_path / "s")
    assert store([b"c"], "x.csv") == b"c"
