"""Rows out of CSV and TSV: the delimiter and the header are recognized, a ragged row is named by its line."""

from __future__ import annotations

import csv
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect import names
from tuiftune.data.read.bytestream import HEAD, mend, open_text
from tuiftune.data.read.csv_records import Records
from tuiftune.data.read.json_rows import BATCH_ROWS, LONGEST_ROW, MOST_COLUMNS, next_line, too_long, too_wide
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.read.json_rows import Batch
    from tuiftune.data.read.malformed import Malformed

DELIMITERS = ",\t;|"
_SEPARATOR = re.compile(r'"?sep=(.)"?[,;\t]*\r?\n')  # Excel's own first line
SWALLOWED = "cells span many lines that read like rows of their own: a closing quote may be missing"
_NAME = re.compile(r"[^\W\d][\w .\-]{0,39}")  # a letter of any script first
UNSPACED_NAME = 8  # characters of a name in a script without spaces, where it would pass for a sentence


def delimiter_of(head: str, suffix: str) -> str:
    """The delimiter that cuts the first records into the same number of cells, more than one;
    else a comma.
    """
    if suffix == ".tsv" and "\t" in head:
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
    lowered = [cell.strip().lower() for cell in first if cell.strip()]
    if any(cell in names.KNOWN_NAMES for cell in lowered):
        return True
    return bool(lowered) and len(set(lowered)) == len(lowered) and all(map(_names_a_column, lowered))


def _names_a_column(cell: str) -> bool:
    if names.UNSPACED.search(cell) and len(cell) > UNSPACED_NAME:
        return False
    marks = {char for char in cell if unicodedata.category(char).startswith("M")}  # such as vowels of Hindi
    plain = "".join(char for char in cell if char not in marks)
    return _NAME.fullmatch(plain) is not None and cell.count(" ") < 2


def csv_rows(path: Path, bad: Malformed, lost: Counter[str] | None = None) -> Iterator[Batch]:
    """Batches of (data row numbers from 1, rows). Empty rows are counted in `lost`, malformed ones go to
    `bad`.
    """
    with open_text(path, newline="") as text:
        head = text.read(HEAD)
        text.seek(0)
        lines = _lines(text, path)
        said = _SEPARATOR.match(head)
        if said:
            next(lines)
        delimiter = said[1] if said else delimiter_of(head, path.suffix.lower())
        records = Records(lines, delimiter, line=1 if said else 0)
        every = iter(records)
        first = next((record for record in every if record), None)
        if first is None:
            return
        if isinstance(first, str):
            raise UserError(f"not CSV: {first}", place=f"{path}:{records.begun}", remedy="close the quote")
        header, named = _header(first, path, records.begun)
        names = [name or f"column_{at}" for at, name in enumerate(header, 1)]
        unnamed = [name for name, given in zip(names, header, strict=True) if given is None]
        number = 0
        numbers: list[int] = []
        rows: list[dict[str, Any]] = []
        if not named:
            number, numbers, rows = 1, [1], [dict(zip(names, first, strict=True))]
        width = records.width = len(header)
        empty = [""] * width
        for record in every:
            if not record:
                continue
            number += 1
            if isinstance(record, str):
                bad.add(_fault(record, path, records.begun, "close or double the quote"), records.spans)
                continue
            if len(record) > width and not any(cell.strip() for cell in record[width:]):
                del record[width:]
            if len(record) != width:
                records.reread()
                cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
                words = f"{cells}, but the header has {width} (data row {number})"
                remedy = "quote cells that contain a comma, a quote or a line break"
                bad.add(_fault(words, path, records.begun, remedy), records.spans)
                continue
            if lost is not None and records.swallows:
                lost[SWALLOWED] += 1
            if record == empty or (named and record == first):
                if lost is not None:
                    again = record != empty  # of a file that was put together from several
                    lost["repeated header lines are dropped" if again else "empty rows are dropped"] += 1
                continue
            numbers.append(number)
            row = dict(zip(names, record, strict=True))
            for name in unnamed:
                if not row[name].strip():
                    del row[name]
            rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield numbers, rows
                numbers, rows = [], []
        if rows:
            yield numbers, rows


def _fault(words: str, path: Path, line: int, remedy: str) -> UserError:
    return UserError(words, place=f"{path}:{line}", remedy=remedy)


def _header(first: list[str], path: Path, line: int) -> tuple[list[str | None], bool]:
    """The names of the columns, None for one without; and whether the first record holds them."""
    if len(first) > MOST_COLUMNS:
        raise too_wide(len(first), f"{path}:{line}")
    first = [mend(cell) for cell in first]  # a name of stray bytes could be written nowhere
    if not has_header(first):
        return [f"column_{at}" for at in range(1, len(first) + 1)], False
    header = [cell.strip() or None for cell in first]
    names = [name for name in header if name]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f'the column "{twice}" appears twice', place=f"{path}:{line}", remedy="rename one")
    return header, True


def _lines(text: Any, path: Path) -> Iterator[str]:
    number = 0
    while line := next_line(text, path, number + 1):
        number += 1
        if len(line) >= LONGEST_ROW:
            raise too_long(path, number)
        yield line
