"""What stands around the interactions: the catalogue, the users, the triples; and the final item codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reccli.preparation.catalogue import Profiles, item_frame, profiles, union_ids, user_frame
from reccli.preparation.text_fit import text_fit
from reccli.preparation.texts import HISTORY_FIELD, history_texts
from reccli.preparation.triples import triple_frame

if TYPE_CHECKING:
    import polars as pl

    from reccli.preparation.assembly import Interactions
    from reccli.preparation.opening import Opened, SideFile
    from reccli.settings import PrepareSettings

__all__ = ["Surroundings", "surround"]

ALIKE: dict[str, Callable[[pl.Series], pl.Series]] = {
    "leading zeros were lost in one of them": lambda ids: ids.str.strip_chars_start("0"),
    "they differ in capitals and blanks alone": lambda ids: ids.str.strip_chars().str.to_lowercase(),
}
"""What makes ids of two files differ that mean the same, and what takes it away."""


@dataclass(frozen=True)
class Surroundings:
    """The artifacts beside the interactions, and the interactions with their final item codes."""

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    triples: pl.DataFrame | None
    facts: dict[str, Any]
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)


def surround(made: Interactions, opened: Opened, settings: PrepareSettings) -> Surroundings:
    """Unite the catalogue, join attributes, fill texts, code triples.

    Args:
        made: The finished interactions.
        opened: The files beside them.
        settings: Templates.

    Raises:
        ConfigError: A template names a column that is not there.
    """
    counts: dict[str, int] = {}
    notes: list[str] = []
    known_items = _profiles(opened.items, "items", made.item_ids, counts, notes)
    known_users = _profiles(opened.users, "users", made.user_ids, counts, notes)
    ids = union_ids(made.item_ids, None if known_items is None else known_items.frame["id"])
    interactions = _recoded(made.frame, made.item_ids, ids)
    roles = {} if opened.items is None else dict(opened.items.roles)
    items, text_columns = item_frame(ids, known_items, template=settings.item_text, roles=roles)
    history = _history(interactions, items, len(made.user_ids), settings)
    users = user_frame(made.user_ids, known_users, template=settings.user_text, history=history)
    triples = _triples(opened.triples, items, counts, notes)
    fit = _fit(interactions, items, notes)
    listed = items.height - len(made.item_ids)
    facts = {
        "n_users": users.height,
        "n_items": items.height,
        "items_with_interactions": len(made.item_ids),
        "density": made.facts["pairs"] / (users.height * len(made.item_ids)),
        "has_text": items["text"].null_count() < items.height,
        "has_user_text": users["text"].null_count() < users.height,
        "text_columns": text_columns,
        "text_lift": fit,
        "item_text": settings.item_text,
        "has_triples": triples is not None,
    }
    counts |= {"users": users.height, "items": items.height, "items_without_interactions": listed}
    return Surroundings(interactions, items, users, triples, facts, counts, notes)


def _fit(interactions: pl.DataFrame, items: pl.DataFrame, notes: list[str]) -> float | None:
    """Return how much texts tell of what is met together, and note where they seem to be of other items."""
    import polars as pl

    found = text_fit(interactions.filter(pl.col("split") == "train"), items)
    if found is None:
        return None
    if found.warning:
        notes.append(found.warning)
    return round(found.own, 4)


def _profiles(
    side: SideFile | None, what: str, seen: pl.Series, counts: dict[str, int], notes: list[str]
) -> Profiles | None:
    if side is None:
        return None
    found = profiles(side.table.frame, side.roles["id"])
    counts[f"{what}_rows"] = found.rows
    for label, count in (("repeated", found.repeated), ("blank", found.blank)):
        if count:
            counts[f"{what}_{label}"] = count
            reason = "repeat an id; the first row of an id counts" if label == "repeated" else "have no id"
            notes.append(f"{side.table.path.name}: {count:,} rows {reason}")
    if not seen.is_in(found.frame["id"].implode()).any():
        notes.append(_strangers(side, what, seen, found.frame["id"]))
    return found


def _strangers(side: SideFile, what: str, seen: pl.Series, listed: pl.Series) -> str:
    """Say that a file and the interactions have no id in common, with one of each, and what would make them alike."""
    name, column = side.table.path.name, side.roles["id"]
    if not len(listed):
        return f"{name}: no {what} are in it"
    told = f"{name}: none of its {what} occurs in the interactions (ids as {listed[0]!r} here, {seen[0]!r} there)"
    for change, alike in ALIKE.items():
        if alike(seen).is_in(alike(listed).implode()).any():
            return f"{told}; {change}"
    return f"{told}; is '{column}' its column of ids?"


def _recoded(frame: pl.DataFrame, seen: pl.Series, ids: pl.Series) -> pl.DataFrame:
    """Give item codes their places in the whole catalogue; both are sorted by id, so the order of codes stays."""
    import polars as pl

    if len(seen) == len(ids):
        return frame
    places = pl.DataFrame({"id": ids, "code": pl.int_range(len(ids), dtype=pl.UInt32, eager=True)})
    new = pl.DataFrame({"id": seen}).join(places, on="id", how="left", maintain_order="left")["code"]
    return frame.with_columns(item=new.gather(frame["item"]))


def _history(frame: pl.DataFrame, items: pl.DataFrame, n_users: int, settings: PrepareSettings) -> pl.Series | None:
    """Titles of each user's training history, where the template asks for them."""
    import polars as pl

    template = settings.user_text
    if template is None or f"{{{HISTORY_FIELD}}}" not in template:
        return None
    names = items.select(pl.coalesce("title", "text", "item_id")).to_series()
    return history_texts(frame.filter(pl.col("split") == "train"), names, n_users)


def _triples(
    side: SideFile | None, items: pl.DataFrame, counts: dict[str, int], notes: list[str]
) -> pl.DataFrame | None:
    if side is None:
        return None
    frame, found = triple_frame(
        side.table.frame,
        head=side.roles["head"],
        relation=side.roles["relation"],
        tail=side.roles["tail"],
        items=items["item_id"],
    )
    counts |= {f"triples_{name}": count for name, count in found.items()}
    name = side.table.path.name
    if found["incomplete"]:
        notes.append(f"{name}: {found['incomplete']:,} triples lack a head, relation or tail")
    if not found["items"]:
        first, mine = frame["head_id"][:1].to_list(), items["item_id"][0]
        notes.append(
            f"{name}: no head or tail is an item id of the catalogue (heads as {first[0]!r}, items as {mine!r}), so "
            "nothing can be learned from it"
            if first
            else f"{name}: no triples are in it"
        )
    return frame
