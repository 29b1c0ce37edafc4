"""What is told of the files that were opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reccli.api.reader import Table

if TYPE_CHECKING:
    from reccli.preparation.assembly import Interactions
    from reccli.preparation.opening import Opened
    from reccli.preparation.surroundings import Surroundings

__all__ = ["described"]


def described(opened: Opened, made: Interactions, around: Surroundings) -> list[dict[str, Any]]:
    """Describe every file for the facts: what was found, and what its columns are used for."""
    entries: list[dict[str, Any]] = []
    labels = [label for label in opened.files if label not in ("items", "users", "triples")]
    for number, (label, source) in enumerate(zip(labels, opened.interactions, strict=True)):
        entry = _entry(label, source.table, source.roles, made.source_rows[number])
        entries.append(entry | {"time_unit": made.facts["time_unit"]})
    for kind, side in (("items", opened.items), ("users", opened.users), ("triples", opened.triples)):
        if side is not None:
            count = around.counts.get("triples_read" if kind == "triples" else f"{kind}_rows", 0)
            entry = _entry(kind, side.table, side.roles, count)
            entries.append(entry | ({"text": around.facts["text_columns"]} if kind == "items" else {}))
    return entries


def _entry(kind: str, table: Table, roles: Mapping[str, str], rows: int) -> dict[str, Any]:
    return {
        "kind": kind.partition(".")[0],
        "input": kind,
        "name": table.path.name,
        "rows": rows,
        "found": dict(table.found),
        "roles": dict(roles),
    }
