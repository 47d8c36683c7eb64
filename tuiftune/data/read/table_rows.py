"""Rows out of Parquet and Arrow/Feather files, a slice at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import spool
from tuiftune.data.read.bytestream import ARROW_FILE, PARQUET, head_of
from tuiftune.data.read.json_rows import BATCH_ROWS, LONGEST_ROW, MOST_COLUMNS, too_long, too_wide
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from tuiftune.data.read.json_rows import Batch


def table_rows(path: Path, lost: Counter[str] | None = None) -> Iterator[Batch]:
    """Batches of (row numbers from 1, rows); bytes that aren't text are counted in `lost`. Raises UserError
    for a damaged or unreadable table.
    """
    import polars as pl

    head = head_of(path)
    copy = spool.copy_of(path)
    try:
        if head.startswith(PARQUET):
            frame = pl.read_parquet(copy)
        elif head.startswith(ARROW_FILE):
            frame = pl.read_ipc(copy)
        else:
            frame = pl.read_ipc_stream(copy)
    except PermissionError:
        raise UserError("no permission to read it", place=str(path), remedy=f"chmod +r {path.name}") from None
    except (pl.exceptions.PolarsError, OSError, ValueError) as fault:
        why = " ".join(str(fault).split())[:120]
        raise UserError(
            f"the table cannot be read ({why})", place=str(path), remedy="export it again"
        ) from None
    except pl.exceptions.PanicException:
        raise UserError("the table is corrupted", place=str(path), remedy="export it again") from None
    if frame.width > MOST_COLUMNS:
        raise too_wide(frame.width, str(path))
    for name, kind in frame.schema.items():
        if kind == pl.Binary:
            frame = _as_text(frame, name, lost)
    for name, kind in frame.schema.items():
        if kind == pl.String:
            long = (frame[name].str.len_bytes() > LONGEST_ROW).arg_true()
            if len(long):
                raise too_long(path, int(long[0]) + 1)
    hollow = [name for name, kind in frame.schema.items() if _nested(kind)]
    for start in range(0, frame.height, BATCH_ROWS):
        piece = frame.slice(start, BATCH_ROWS)
        rows = piece.to_dicts()
        for name in hollow:
            for row in rows:
                row[name] = _filled(row[name])
        yield list(range(start + 1, start + piece.height + 1)), rows


def _as_text(frame: pl.DataFrame, name: str, lost: Counter[str] | None) -> pl.DataFrame:
    """A column of bytes as text where it is that (some writers don't mark text), else without its values."""
    import polars as pl

    try:
        text = frame[name].cast(pl.String)
    except pl.exceptions.PolarsError:
        if lost is not None:
            lost[f'"{printable(name)[:40]}" contains bytes, not text, and is ignored'] += frame.height
        text = pl.Series(name, [None], dtype=pl.String).new_from_index(0, frame.height)
    return frame.with_columns(text.alias(name))


def _nested(kind: Any) -> bool:
    """Whether a struct holds structs: there a table fills in the fields that only other rows have."""
    import polars as pl

    inner = kind.inner if isinstance(kind, pl.List) else kind
    return isinstance(inner, pl.Struct) and any(
        isinstance(field.dtype.inner if isinstance(field.dtype, pl.List) else field.dtype, pl.Struct)
        for field in inner.fields
    )


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [None if inner is None else _filled(inner) for inner in value]
    return value
