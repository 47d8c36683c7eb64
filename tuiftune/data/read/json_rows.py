"""Rows out of JSON lines, and what is asked of every JSON row. Memory stays bounded by one row."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.data.read.bytestream import open_text
from tuiftune.errors import UserError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.data.read.malformed import Malformed

Row = dict[str, Any]
Batch = tuple[list[int], list[Row]]

BATCH_ROWS = 4096
LONGEST_ROW = 16 << 20  # characters, some four million tokens; a row beyond this is no training example
MOST_COLUMNS = 10_000


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f'the key "{key}" appears twice in one object')
            seen.add(key)
    return made


def remedy_of(fault: ValueError) -> str:
    return "keep one of them" if "twice" in str(fault) else "write fewer digits, or write it as text"


def _whole(digits: str) -> int:
    """A whole number, unless it is longer than any column of numbers holds."""
    if len(digits) > documents.MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _real(digits: str) -> float | None:
    """A number; None where it is larger than any: no value, as NaN is none."""
    value = float(digits)
    return None if math.isinf(value) else value


def too_deep(text: str, value: Any) -> bool:
    """Whether a value is nested deeper than what walks through it follows."""
    return text.count("[") + text.count("{") > documents.DEEPEST and documents.deeper_than(value)


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON: such a value is missing."""


DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_no_number
)
scan: Callable[[str, int], tuple[Any, int]] = vars(DECODER)["scan_once"]


def is_json_lines(head: str, suffix: str) -> bool:
    """Whether each line is a row of its own, judged from the beginning of the file."""
    lines = [line for line in head.splitlines() if line.strip()]
    if not lines:
        return suffix in (".jsonl", ".ndjson")
    try:
        first = documents.loads(lines[0])
    except ValueError:
        if lines[0].strip() in "[{":
            return False
        return suffix in (".jsonl", ".ndjson") and not lines[0].lstrip().startswith("[{")
    if len(lines) == 1:
        return suffix in (".jsonl", ".ndjson") and not (
            isinstance(first, list) and first and isinstance(first[0], dict)
        )
    return True


def json_lines(path: Path, bad: Malformed) -> Iterator[Batch]:
    """Batches of (line numbers, rows). Lines that are no rows go to `bad`. UserError for an endless line."""
    numbers: list[int] = []
    rows: list[Row] = []
    with open_text(path) as text:
        number = 0
        while line := next_line(text, path, number + 1):
            number += 1
            if len(line) >= LONGEST_ROW:
                raise too_long(path, number)
            stripped = line.strip()
            if not stripped:
                continue
            try:
                rows.append(as_row(_parse(stripped, path, number), path, number))
            except UserError as fault:
                bad.add(fault)
                continue
            numbers.append(number)
            if len(rows) == BATCH_ROWS:
                yield numbers, rows
                numbers, rows = [], []
    if rows:
        yield numbers, rows


def next_line(text: io.TextIOWrapper, path: Path, number: int) -> str:
    """A line of at most LONGEST_ROW characters. UserError with its number where the archive ends in it."""
    try:
        return text.readline(LONGEST_ROW)
    except EOFError:
        raise UserError(
            "the compressed file is truncated", place=f"{path}:{number}", remedy="download it again"
        ) from None


def _parse(line: str, path: Path, number: int) -> Any:
    line = line.removeprefix("\ufeff")  # of a file that was put after another
    try:
        value, end = scan(line, 0)
    except StopIteration:
        raise bad_json(path, number, "no JSON value", line, 0) from None
    except json.JSONDecodeError as fault:
        raise bad_json(path, number, fault.msg, line, fault.pos) from None
    except RecursionError:
        raise UserError("nested too deeply", place=f"{path}:{number}", remedy="flatten the row") from None
    except ValueError as fault:
        raise UserError(str(fault), place=f"{path}:{number}", remedy=remedy_of(fault)) from None
    if too_deep(line, value):
        raise UserError("nested too deeply", place=f"{path}:{number}", remedy="flatten the row")
    if end != len(line):
        raise bad_json(path, number, "more than one JSON value on the line", line, end)
    return value


def as_row(value: Any, path: Path, number: int) -> Row:
    if type(value) is dict:
        if len(value) > MOST_COLUMNS:
            raise too_wide(len(value), f"{path}:{number}")
        return value
    if isinstance(value, list):
        if len(value) > MOST_COLUMNS:
            raise too_wide(len(value), f"{path}:{number}")
        if value and all(isinstance(item, dict) for item in value):
            return {"messages": value}
        return {f"column_{index}": cell for index, cell in enumerate(value, 1)}
    if isinstance(value, str):
        return {"text": value}
    what = "null" if value is None else f"a {type(value).__name__}"
    raise UserError(
        f"the row is {what}, not an object", place=f"{path}:{number}", remedy="write one object per row"
    )


def too_wide(count: int, place: str) -> UserError:
    """For a row, or rows together, with more columns than any training data has."""
    return UserError(
        f"{count:,} columns, more than {MOST_COLUMNS:,}",
        place=place,
        remedy="write one row per line, with only the columns to train on",
    )


def too_long(path: Path, number: int, element: int | None = None) -> UserError:
    which = f"element {element}" if element else "one row"
    return UserError(
        f"{which} is longer than {LONGEST_ROW >> 20} million characters",
        place=f"{path}:{number}",
        remedy="write one row per line (JSONL), or shorten the row",
    )


def bad_json(path: Path, line: int, why: str, text: str, at: int) -> UserError:
    near = text[max(0, at - 20) : at + 20]
    shown = "".join(c if c.isprintable() else "·" for c in near)
    return UserError(
        f"not JSON: {why} (near {shown!r})", place=f"{path}:{line}", remedy="fix or remove the row"
    )
