"""Rows out of Parquet and Arrow/Feather files, a slice at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.data.bytestream import ARROW_FILE, PARQUET, head_of
from tuiftune.data.json_rows import BATCH_ROWS
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.json_rows import Batch


def table_rows(path: Path) -> Iterator[Batch]:
    """Batches of (row numbers from 1, rows). Raises UserError for a damaged or unreadable table."""
    import polars as pl

    head = head_of(path)
    try:
        if head.startswith(PARQUET):
            frame = pl.read_parquet(path)
        elif head.startswith(ARROW_FILE):
            frame = pl.read_ipc(path)
        else:
            frame = pl.read_ipc_stream(path)
    except PermissionError:
        raise UserError("no permission to read it", place=str(path), remedy=f"chmod +r {path.name}") from None
    except (pl.exceptions.PolarsError, OSError, ValueError) as fault:
        why = " ".join(str(fault).split())[:120]
        raise UserError(
            f"the table can't be read ({why})", place=str(path), remedy="write it again"
        ) from None
    except pl.exceptions.PanicException:
        raise UserError("the table is damaged", place=str(path), remedy="write it again") from None
    binary = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    if binary:
        frame = frame.drop(binary)
    for start in range(0, frame.height, BATCH_ROWS):
        piece = frame.slice(start, BATCH_ROWS)
        yield list(range(start + 1, start + piece.height + 1)), piece.to_dicts()
