"""Rows out of CSV and TSV: the delimiter and the header are recognised, a ragged row is named by its line."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from tuiftune.data.bytestream import HEAD, open_text
from tuiftune.data.json_rows import BATCH_ROWS, LONGEST_ROW, MOST_COLUMNS, next_line, too_long, too_wide
from tuiftune.data.names import KNOWN_NAMES
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.json_rows import Batch

DELIMITERS = ",\t;|"
_NAME = re.compile(r"[A-Za-z_][\w .\-]{0,39}")


def delimiter_of(head: str, suffix: str) -> str:
    """The delimiter that cuts the first records into the same number of cells, more than one;
    else a comma.
    """
    if suffix == ".tsv":
        return "\t"
    best, best_score = ",", 0.0
    whole = head[: head.rfind("\n") + 1] or head
    for delimiter in DELIMITERS:
        try:
            records = [
                record
                for record in csv.reader(whole.splitlines(keepends=True), delimiter=delimiter)
                if record
            ]
        except csv.Error:
            continue
        widths = [len(record) for record in records[:50]]
        if not widths or widths[0] < 2:
            continue
        score = widths.count(widths[0]) / len(widths)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def has_header(first: list[str]) -> bool:
    """Whether the first record names columns: a known name among them, or all short and distinct
    like names.
    """
    lowered = [cell.strip().lower() for cell in first]
    if any(cell in KNOWN_NAMES for cell in lowered):
        return True
    return len(set(lowered)) == len(lowered) and all(
        _NAME.fullmatch(cell) and cell.count(" ") < 2 for cell in lowered
    )


def csv_rows(path: Path) -> Iterator[Batch]:
    """Batches of (data row numbers from 1, rows). Raises UserError with the line of a ragged record."""
    csv.field_size_limit(LONGEST_ROW)
    with open_text(path, newline="") as text:
        head = text.read(HEAD)
        text.seek(0)
        delimiter = delimiter_of(head, path.suffix.lower())
        reader = csv.reader(_lines(text, path), delimiter=delimiter, strict=True)
        try:
            first = next(reader, None)
            if first is None:
                return
            if len(first) > MOST_COLUMNS:
                raise too_wide(len(first), f"{path}:1")
            header = [cell.strip() for cell in first]
            named = has_header(first)
            if not named:
                header = [f"column_{index}" for index in range(1, len(first) + 1)]
            elif len(set(header)) != len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise UserError(f'the column "{twice}" appears twice', place=f"{path}:1", remedy="rename one")
            number = 0
            numbers: list[int] = []
            rows: list[dict[str, Any]] = []
            if not named:
                number, numbers, rows = 1, [1], [dict(zip(header, first, strict=True))]
            width = len(header)
            for record in reader:
                if not record:
                    continue
                if len(record) != width:
                    cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
                    raise UserError(
                        f"{cells} where the header has {width} (data row {number + 1})",
                        place=f"{path}:{reader.line_num}",
                        remedy="quote cells that hold a comma, a quote or a line end",
                    )
                number += 1
                numbers.append(number)
                rows.append(dict(zip(header, record, strict=False)))
                if len(rows) == BATCH_ROWS:
                    yield numbers, rows
                    numbers, rows = [], []
            if rows:
                yield numbers, rows
        except csv.Error as fault:
            raise UserError(
                f"not CSV: {fault}", place=f"{path}:{reader.line_num}", remedy="quote the cell, or cut it"
            ) from None


def _lines(text: Any, path: Path) -> Iterator[str]:
    number = 0
    while line := next_line(text, path, number + 1):
        number += 1
        if len(line) >= LONGEST_ROW:
            raise too_long(path, number)
        yield line
