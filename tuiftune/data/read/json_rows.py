"""Rows out of JSON: JSON lines, and arrays read piece by piece. Memory stays bounded by one row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths, spool
from tuiftune.data.read.bytestream import open_text
from tuiftune.data.read.nested import lists_beside, rows_in
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.data.read.malformed import Malformed

Row = dict[str, Any]
Batch = tuple[list[int], list[Row]]

BATCH_ROWS = 4096
LONGEST_ROW = 16 << 20  # characters, some four million tokens; a row beyond this is no training example
LONGEST_DOCUMENT = 256 << 20  # characters of one JSON object that holds all the rows
LONGEST_LINE = 1 << 30  # characters of an array that is written without a single line end
PIECE = 1 << 20
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


def _remedy(fault: ValueError) -> str:
    return "keep one of them" if "twice" in str(fault) else "write fewer digits, or write it as text"


def _whole(digits: str) -> int:
    """A whole number, unless it is longer than any column of numbers holds."""
    if len(digits) > documents.MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _too_deep(text: str, value: Any) -> bool:
    """Whether a value is nested deeper than what walks through it follows."""
    return text.count("[") + text.count("{") > documents.DEEPEST and documents.deeper_than(value)


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON: such a value is missing."""


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_constant=_no_number)
_scan: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]


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
                rows.append(_as_row(_parse(stripped, path, number), path, number))
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
    try:
        value, end = _scan(line, 0)
    except StopIteration:
        raise _bad_json(path, number, "no JSON value", line, 0) from None
    except json.JSONDecodeError as fault:
        raise _bad_json(path, number, fault.msg, line, fault.pos) from None
    except RecursionError:
        raise UserError("nested too deeply", place=f"{path}:{number}", remedy="flatten the row") from None
    except ValueError as fault:
        raise UserError(str(fault), place=f"{path}:{number}", remedy=_remedy(fault)) from None
    if _too_deep(line, value):
        raise UserError("nested too deeply", place=f"{path}:{number}", remedy="flatten the row")
    if end != len(line):
        raise _bad_json(path, number, "more than one JSON value on the line", line, end)
    return value


def json_document(path: Path, bad: Malformed, notes: list[str] | None = None) -> Iterator[Batch]:
    """Batches out of one JSON array (streamed) or one object that holds the rows. What is left aside goes to
    `notes`, elements that are no rows to `bad`.
    """
    with open_text(path) as text:
        buffer = text.read(PIECE)
        start = len(buffer) - len(buffer.lstrip())
        if buffer[start : start + 1] == "[":
            if "\n" not in buffer and paths.size(spool.copy_of(path)) > LONGEST_LINE:
                raise _one_line(path)
            yield from _array(text, buffer, start + 1, path, bad)
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
        document = _DECODER.decode(buffer)
    except json.JSONDecodeError as fault:
        raise _bad_json(path, fault.lineno, fault.msg, buffer, fault.pos) from None
    except RecursionError:
        raise UserError("nested too deeply", place=f"{path}:1", remedy="flatten it") from None
    except ValueError as fault:
        raise UserError(str(fault), place=f"{path}:1", remedy=_remedy(fault)) from None
    if _too_deep(buffer, document):
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
        return isinstance(_DECODER.decode(line), dict)
    except (ValueError, RecursionError):
        return False


def _array(text: io.TextIOWrapper, buffer: str, position: int, path: Path, bad: Malformed) -> Iterator[Batch]:
    """Elements of an array whose "[" has been passed, reading on only when an element isn't complete yet."""
    element, line = 0, 1 + buffer.count("\n", 0, position)
    numbers: list[int] = []
    rows: list[Row] = []
    ended = False
    want = PIECE
    read = len(buffer)
    while True:
        while position < len(buffer) and buffer[position] in " \t\n\r,":
            line += buffer[position] == "\n"
            position += 1
        if position < len(buffer) and buffer[position] == "]":
            rest = buffer[position + 1 :] + text.read(PIECE)
            if rest.strip():
                line += rest.count("\n", 0, len(rest) - len(rest.lstrip()))
                raise _bad_json(path, line, "there is text after the end of the array", rest.strip(), 0)
            break
        try:
            if position >= len(buffer):
                raise StopIteration
            value, end = _scan(buffer, position)
            if end >= len(buffer) and not ended:
                raise StopIteration  # a number may go on in the next piece
        except (StopIteration, json.JSONDecodeError) as fault:
            if ended:
                if position >= len(buffer):
                    raise UserError(
                        f"the array ends after element {element}",
                        place=f"{path}:{line}",
                        remedy="download it again",
                    ) from None
                at = fault.pos if isinstance(fault, json.JSONDecodeError) else position
                raise _bad_json(path, line, f"element {element + 1}: not JSON", buffer, at) from None
            if len(buffer) - position > LONGEST_ROW:
                raise too_long(path, line, element + 1) from None
            piece = text.read(want)
            read += len(piece)
            if read > LONGEST_LINE and line == 1:
                raise _one_line(path) from None
            want = min(want * 2, LONGEST_ROW)
            ended = not piece
            buffer, position = buffer[position:] + piece, 0
            continue
        except RecursionError:
            raise UserError("nested too deeply", place=f"{path}:{line}", remedy="flatten the row") from None
        except ValueError as fault:
            raise UserError(str(fault), place=f"{path}:{line}", remedy=_remedy(fault)) from None
        if _too_deep(buffer[position:end], value):
            raise UserError("nested too deeply", place=f"{path}:{line}", remedy="flatten the row")
        element += 1
        want = PIECE
        try:
            rows.append(_as_row(value, path, element))
            numbers.append(element)
        except UserError as fault:
            bad.add(fault)
        line += buffer.count("\n", position, end)
        position = end
        if len(rows) == BATCH_ROWS:
            yield numbers, rows
            numbers, rows = [], []
    if rows:
        yield numbers, rows


def _in_batches(values: list[Any], path: Path, bad: Malformed) -> Iterator[Batch]:
    for start in range(0, len(values), BATCH_ROWS):
        numbers: list[int] = []
        rows: list[Row] = []
        for number, value in enumerate(values[start : start + BATCH_ROWS], start + 1):
            try:
                rows.append(_as_row(value, path, number))
                numbers.append(number)
            except UserError as fault:
                bad.add(fault)
        yield numbers, rows


def _as_row(value: Any, path: Path, number: int) -> Row:
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


def _one_line(path: Path) -> UserError:
    return UserError(
        f"one line of more than {LONGEST_LINE >> 20} MiB",
        place=f"{path}:1",
        remedy="write one row per line (JSONL)",
    )


def too_long(path: Path, number: int, element: int | None = None) -> UserError:
    which = f"element {element}" if element else "one row"
    return UserError(
        f"{which} is longer than {LONGEST_ROW >> 20} million characters",
        place=f"{path}:{number}",
        remedy="write one row per line (JSONL), or shorten the row",
    )


def _bad_json(path: Path, line: int, why: str, text: str, at: int) -> UserError:
    near = text[max(0, at - 20) : at + 20]
    shown = "".join(c if c.isprintable() else "·" for c in near)
    return UserError(
        f"not JSON: {why} (near {shown!r})", place=f"{path}:{line}", remedy="fix or remove the row"
    )
