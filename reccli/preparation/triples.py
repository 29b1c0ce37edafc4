"""Knowledge-graph triples, with the item codes of heads and tails that are items of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["triple_frame"]


def triple_frame(
    raw: pl.LazyFrame, *, head: str, relation: str, tail: str, items: pl.Series
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Build the `triples` artifact: sorted, each triple once, incomplete ones dropped.

    Args:
        raw: The file.
        head: Column of heads.
        relation: Column of relations.
        tail: Column of tails.
        items: Ids of the catalogue in code order.

    Returns:
        The frame, and counts: `read`, `incomplete`, `repeated`, `loops` (kept), `items` (distinct ones met).
    """
    import polars as pl

    names = {"head_id": head, "relation": relation, "tail_id": tail}
    read = raw.select(pl.col(column).cast(pl.String).alias(name) for name, column in names.items()).collect()
    whole = read.filter(pl.all_horizontal(pl.all().is_not_null() & (pl.all().str.strip_chars() != "")))
    once = whole.unique().sort("head_id", "relation", "tail_id")
    codes = pl.DataFrame({"id": items, "code": pl.int_range(len(items), dtype=pl.UInt32, eager=True)})
    for end in ("head", "tail"):
        once = once.join(
            codes.rename({"id": f"{end}_id", "code": f"{end}_item"}),
            on=f"{end}_id",
            how="left",
            maintain_order="left",
        )
    met = pl.concat([once["head_item"].rename("item"), once["tail_item"].rename("item")]).drop_nulls().n_unique()
    counts = {
        "read": read.height,
        "incomplete": read.height - whole.height,
        "repeated": whole.height - once.height,
        "loops": int((once["head_id"] == once["tail_id"]).sum()),
        "items": met,
    }
    return once, counts
