"""Items that came after training: read like the items of `prepare`, and set beside the catalogue.

I items of the catalogue, N new items, J both together, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.vectors import join_rows
from reccli.artifacts import Prepared
from reccli.errors import DataError, MissingArtifactError
from reccli.stages.serving import Served, Stored

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NewItems", "Shelf", "read_new_items", "shelf"]


@dataclass(frozen=True)
class NewItems:
    """Items by text alone.

    Args:
        frame: `item_id`, `title` (or null) and `text`, each id once, none of them in the catalogue.
        path: The file.
        sha256: Digest of its content.
        notes: Lines for people: rows that were left out.
    """

    frame: pl.DataFrame
    path: Path
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shelf:
    """Everything that can be listed: the catalogue, and new items behind it.

    Args:
        ids: Ids by code, J.
        titles: Titles by code, J.
        vector_JD: Stored vectors.
        reachable_J: Items that the run has a vector of its own for.
        n_new: How many are new.
    """

    ids: pl.Series
    titles: pl.Series
    vector_JD: Stored
    reachable_J: npt.NDArray[np.bool_] = field(repr=False)
    n_new: int = 0

    @property
    def n_items(self) -> int:
        """Number of items, J."""
        return len(self.ids)


def shelf(served: Served, new: NewItems | None, *, only_new: bool = False) -> Shelf:
    """Return what a run can list.

    Args:
        served: The run.
        new: New items, or None.
        only_new: Whether the catalogue is left out of lists.

    Raises:
        ConfigError: The run's encoder knows only the items it was trained on.
    """
    import polars as pl

    items = served.prepared.items
    if new is None:
        return Shelf(items["item_id"], items["title"], served.item_ID, served.reachable_I)
    vector_ND = served.encode_items(new.frame["text"].to_list())
    reachable_I = np.zeros_like(served.reachable_I) if only_new else served.reachable_I
    return Shelf(
        pl.concat([items["item_id"], new.frame["item_id"]]),
        pl.concat([items["title"], new.frame["title"]]),
        join_rows([served.item_ID, vector_ND]),
        np.concatenate([reachable_I, np.ones(len(vector_ND), np.bool_)]),
        len(vector_ND),
    )


def read_new_items(path: Path, prepared: Prepared, *, scratch: Path) -> NewItems:
    """Read a file of items: its ids, titles, and texts by the template that the catalogue's texts have.

    Rows whose id is in the catalogue, or that have no text, are left out and counted.

    Args:
        path: A file of any format that `prepare --items` takes.
        prepared: The data that the run was trained on.
        scratch: Folder for intermediate files.

    Raises:
        ConfigError: The template of `prepare` names a column that the file has not.
        DataError: The file cannot be read, has no ids, or no row is left.
        MissingArtifactError: The catalogue itself has no texts.
    """
    from reccli.intake import open_table
    from reccli.intake.roles import assign
    from reccli.manifest import sha256_file
    from reccli.preparation.catalogue import item_frame, profiles
    from reccli.settings import PrepareSettings

    if prepared.items["text"].null_count() == prepared.items.height:
        raise MissingArtifactError(
            "no item of the catalogue has a text, so nothing was learned from texts",
            hint="reccli prepare RATINGS --items FILE, then reccli finetune --encoder bert",
        )
    if not path.is_file():
        raise DataError(
            f"no such file: {path}", hint="reccli recommend --items FILE, with the columns of the catalogue"
        )
    given = prepared.version.manifest.settings
    asked = PrepareSettings(item_column=given.get("item_column"), item_text=given.get("item_text"))
    table = open_table(path, asked, kind="items", scratch=scratch)
    roles = assign(table, asked, "items")
    found = profiles(table.frame, roles["id"])
    template = asked.item_text or _same_template(prepared, found.frame.columns)
    frame, _ = item_frame(found.frame["id"], found, template=template, roles=roles)
    frame = frame.select("item_id", "title", "text")
    known = frame["item_id"].is_in(prepared.items["item_id"].implode())
    silent = frame["text"].is_null() & ~known
    notes = _notes(
        path.name,
        {
            "repeat an id; the first row of an id counts": found.repeated,
            "have no id": found.blank,
            "are in the catalogue, and listed as what they are there": int(known.sum()),
            "have no text and are left out": int(silent.sum()),
        },
    )
    frame = frame.filter(~known & ~silent)
    if not frame.height:
        raise DataError(
            f"{path.name} has no new item with a text ({'; '.join(notes) or 'no rows'})",
            hint="give items that are not in the catalogue, with a title or a description",
        )
    return NewItems(frame, path, sha256_file(path), notes)


def _same_template(prepared: Prepared, columns: list[str]) -> str | None:
    """Choose a template from the columns that the catalogue's texts were made of, so that both look alike."""
    from reccli.preparation.texts import item_template

    used = prepared.version.manifest.facts.get("text_columns") or []
    return item_template([column for column in columns if column in used])


def _notes(name: str, counts: dict[str, int]) -> tuple[str, ...]:
    return tuple(f"{name}: {count:,} rows {what}" for what, count in counts.items() if count)
