"""Apache Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from reccli.api import Reader, Table
from reccli.errors import DataError
from reccli.intake.chunks import head_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Parquet"]

MAGIC, ENCRYPTED = b"PAR1", b"PARE"


class Parquet(Reader):
    """A Parquet file, or a folder of parts as Spark writes it; columns keep their types.

    Notes:
        Categories become strings and decimals floats, so that later steps meet few types; lists and structs stay.
    """

    priority: ClassVar[int] = 10

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say yes to the magic bytes, and to a folder of `part-*.parquet`."""
        if path.is_dir():
            return any(path.glob("part-*.parquet"))
        return head.startswith((MAGIC, ENCRYPTED))

    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file."""
        import polars as pl

        if path.is_file() and head_of(path, 4) == ENCRYPTED:
            raise DataError(f"{path.name}: an encrypted Parquet file", hint="decrypt it first")
        try:
            parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
            frame = pl.scan_parquet(parts, glob=False)
            schema = frame.collect_schema()
            rows = int(frame.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[0]
            raise DataError(
                f"{path.name}: not a whole Parquet file: {reason}", hint="fetch or write the file again"
            ) from error
        index = [name for name in schema if name.startswith("__index_level_")]
        frame = frame.drop(index).with_columns(
            _simple(name, dtype) for name, dtype in schema.items() if name not in index
        )
        return Table(frame=frame, path=path, found={"format": "parquet", "rows": str(rows)})


def _simple(name: str, dtype: pl.DataType) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    if dtype in (pl.Categorical, pl.Enum, pl.Binary):
        return column.cast(pl.String)
    return column.cast(pl.Float64) if dtype.is_decimal() else column
