"""What is told of files: rows as they were read, units, roles of columns, and no word on files that are not there."""

from __future__ import annotations

from pathlib import Path

from reccli.preparation.assembly import assemble
from reccli.preparation.describing import described
from reccli.preparation.opening import open_all
from reccli.preparation.surroundings import surround
from reccli.settings import PrepareSettings
from reccli.stages.prepare import Sources


def test_each_file_is_described_once(tmp_path: Path) -> None:
    ratings, more, items = tmp_path / "ratings.csv", tmp_path / "more.csv", tmp_path / "items.csv"
    rows = [f"u{user},i{user % 4},{1_600_000_000 + user}" for user in range(12)]
    ratings.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    more.write_text("\n".join(["user_id,item_id,timestamp", *rows[:3]]) + "\n", encoding="utf-8")
    items.write_text(
        "item_id,title\n" + "\n".join(f"i{item},Film {item}" for item in range(5)) + "\n", encoding="utf-8"
    )
    settings = PrepareSettings()
    opened = open_all(Sources((ratings, more), items=items), settings, scratch=tmp_path / "scratch")
    made = assemble(opened.interactions, settings, check_stop=lambda: None)
    first, second, beside = described(opened, made, surround(made, opened, settings))
    assert [first["name"], second["name"], beside["name"]] == ["ratings.csv", "more.csv", "items.csv"]
    assert [first["rows"], second["rows"], beside["rows"]] == [12, 3, 5]
    assert (first["kind"], beside["kind"], beside["text"]) == ("interactions", "items", ["title"])
    assert first["input"] != second["input"]
    assert (first["time_unit"], first["roles"]["user"]) == ("s", "user_id")
    assert "time_unit" not in beside
