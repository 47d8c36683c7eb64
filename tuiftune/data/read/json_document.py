"""Rows out of a JSON document: an array, streamed, or one object that holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune import paths, spool
from tuiftune.data.read.bytestream import open_text
from tuiftune.data.read.json_array import LONGEST_LINE, PIECE, Array, one_line
from tuiftune.data.read.json_rows import (
    BATCH_ROWS,
    DECODER,
    LONGEST_ROW,
    as_row,
    bad_json,
    json_lines,
    remedy_of,
    too_deep,
    too_long,
)
from tuiftune.data.read.nested import lists_beside, rows_in
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.read.json_rows import Batch, Row
    from tuiftune.data.read.malformed import Malformed

LONGEST_DOCUMENT = 256 << 20  # characters of one JSON object that holds all the rows


def json_document(path: Path, bad: Malformed, notes: list[str] | None = None) -> Iterator[Batch]:
    """Batches out of one JSON array (streamed) or one object that holds the rows. What is left aside goes to
    `notes`, elements that are no rows to `bad`.
    """
    with open_text(path) as text:
        buffer = text.read(PIECE)
        start = len(buffer) - len(buffer.lstrip())
        if buffer[start : start + 1] == "[":
            if "\n" not in buffer and paths.size(spool.copy_of(path)) > LONGEST_LINE:
                raise one_line(path)
            yield from Array(text, path, bad, buffer, start + 1).batches()
            return
        pieces, size = [buffer], len(buffer)
        while piece := text.read(PIECE * 16):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST_DOCUMENT:
                raise UserError(
                    f"one JSON object of more than {LONGEST_DOCUMENT >> 20} MiB",
                    place=f"{path}:1",
                    remedy="write one row per line (JSONL)",
                )
    buffer = "".join(pieces)
    del pieces
    if _several(buffer):
        yield from json_lines(path, bad)
        return
    try:
        document = DECODER.decode(buffer)
    except json.JSONDecodeError as fault:
        if fault.msg == "Extra data":
            raise UserError(
                "another JSON value after the first",
                place=f"{path}:{fault.lineno}",
                remedy="write each row on one line (JSONL), or all in one array",
            ) from None
        raise bad_json(path, fault.lineno, fault.msg, buffer, fault.pos) from None
    except RecursionError:
        raise UserError("nested too deeply", place=f"{path}:1", remedy="flatten it") from None
    except ValueError as fault:
        raise UserError(str(fault), place=f"{path}:1", remedy=remedy_of(fault)) from None
    if too_deep(buffer, document):
        raise UserError("nested too deeply", place=f"{path}:1", remedy="flatten it")
    long = len(buffer) > LONGEST_ROW
    del buffer
    rows = rows_in(document, path)
    aside = lists_beside(document, rows)
    if aside and notes is not None:
        notes.append(
            "not used for training because of their names: "
            + ", ".join(printable(name)[:30] for name in aside[:6])
        )
    if long:
        for number, row in enumerate(rows, 1):
            if len(json.dumps(row)) > LONGEST_ROW:
                raise too_long(path, 1, number)
    yield from _in_batches(rows, path, bad)


def _several(text: str) -> bool:
    """Whether the first line is an object of its own and more follow: JSON lines under another name."""
    line, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        return isinstance(DECODER.decode(line), dict)
    except (ValueError, RecursionError):
        return False


def _in_batches(values: list[Any], path: Path, bad: Malformed) -> Iterator[Batch]:
    for start in range(0, len(values), BATCH_ROWS):
        numbers: list[int] = []
        rows: list[Row] = []
        for number, value in enumerate(values[start : start + BATCH_ROWS], start + 1):
            try:
                rows.append(as_row(value, path, number))
                numbers.append(number)
            except UserError as fault:
                bad.add(fault)
        yield numbers, rows
