"""Lines for people, word for word."""

from __future__ import annotations

from typing import Any

from reccli.preparation.summary import result_lines

FACTS: dict[str, Any] = {
    "files": [
        {
            "kind": "interactions",
            "name": "log.tsv",
            "rows": 1_234_567,
            "found": {"delimiter": "tab"},
            "roles": {"user": "user", "item": "asin", "value": "stars", "time": "ts", "event": "kind"},
            "time_unit": "ms",
        },
        {"kind": "items", "name": "meta.jsonl", "rows": 2_000, "found": {}, "roles": {}, "text": []},
        {"kind": "users", "name": "people.csv", "rows": 30, "found": {}, "roles": {}},
        {"kind": "triples", "name": "kg.csv", "rows": 4, "found": {}, "roles": {}},
    ],
    "n_users": 1_000,
    "items_with_interactions": 2_000,
    "density": 0.61728,
    "leakage": ["3 test rows repeat a pair of train", "across users 5% of train rows"],
    "split": {"label": "random 8:1:1"},
    "task": "ctr",
}


def test_every_kind_of_line() -> None:
    counts = {"kept": 1_234_560, "dropped": 7, "train": 987, "valid": 0, "test": 123, "history": 4}
    counts |= {"dropped.duplicate": 5, "dropped.no user id": 2}
    assert result_lines(FACTS, counts) == [
        "log.tsv  1,234,567 rows  tab  user asin>item stars ts(ms) kind   meta.jsonl  2,000 items, no text   "
        "people.csv  30 users   kg.csv  4 triples",
        "kept 1,234,560  dropped 7 (duplicate 5, no user id 2)   1,000 users  2,000 items  density 61.73 %",
        "split random 8:1:1, 3 test rows repeat a pair of train",
        "across users 5% of train rows",
        "task ctr   train 987  test 123  history 4",
    ]
