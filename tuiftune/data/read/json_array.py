"""The elements of a JSON array, read piece by piece; one that is malformed is told, and reading goes on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.data.read.json_rows import (
    BATCH_ROWS,
    LONGEST_ROW,
    as_row,
    bad_json,
    remedy_of,
    scan,
    too_deep,
    too_long,
)
from tuiftune.errors import UserError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tuiftune.data.read.json_rows import Batch, Row
    from tuiftune.data.read.malformed import Malformed

LONGEST_LINE = 1 << 30  # characters of an array that is written without a single line end
PIECE = 1 << 20
_MAY_BEGIN = re.compile(r"[,\n]\s*(?=\{)")
_UNSURE = 16  # characters at the end of a piece in which a word or a number may be cut
_CUT = ("Unterminated string", "Invalid \\", "Invalid control")  # what a cut may look like anywhere


@dataclass(slots=True)
class Array:
    """An array whose "[" has been passed: `buffer` from `position` on, and what `text` still has.

    Malformed elements go to `bad`. After one, reading goes on at the next object that has the keys which all
    rows so far had. UserError where there is none.
    """

    text: io.TextIOWrapper
    path: Path
    bad: Malformed
    buffer: str
    position: int
    element: int = 0
    line: int = 1
    _want: int = PIECE
    _ended: bool = False
    _over: bool = False  # nothing more can be read
    _keys: set[str] | None = None
    _read: int = field(init=False)

    def __post_init__(self) -> None:
        self.line = 1 + self.buffer.count("\n", 0, self.position)
        self._read = len(self.buffer)

    def batches(self) -> Iterator[Batch]:
        """(element numbers, rows), a batch at a time."""
        numbers: list[int] = []
        rows: list[Row] = []
        for value in self._elements():
            try:
                row = as_row(value, self.path, self.element)
            except UserError as fault:
                self.bad.add(fault)
                continue
            self._keys = set(row) if self._keys is None else self._keys & row.keys() or self._keys
            numbers.append(self.element)
            rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield numbers, rows
                numbers, rows = [], []
        if rows:
            yield numbers, rows

    def _elements(self) -> Iterator[Any]:
        while not self._over:
            self._pass_over()
            if self.buffer[self.position : self.position + 1] == "]":
                self._end()
                return
            try:
                if self.position >= len(self.buffer):
                    raise StopIteration
                value, end = scan(self.buffer, self.position)
                if end >= len(self.buffer) and not self._ended:
                    raise StopIteration  # a number may go on in the next piece
                deep = too_deep(self.buffer[self.position : end], value)
                fault = self._refused("nested too deeply") if deep else None
            except (StopIteration, json.JSONDecodeError) as why:
                if not self._ended and self._may_be_cut(why):
                    self._more()
                    continue
                if self.position >= len(self.buffer):
                    ends = f"the array ends after element {self.element}"
                    self.bad.add(self._refused(ends, "download it again"))
                    return
                at = why.pos if isinstance(why, json.JSONDecodeError) else self.position
                fault = bad_json(
                    self.path, self.line, f"element {self.element + 1}: not JSON", self.buffer, at
                )
            except RecursionError:
                fault = self._refused("nested too deeply")
            except ValueError as why:
                fault = self._refused(str(why), remedy_of(why))
            self.element += 1
            self._want = PIECE
            if fault is not None:
                self._go_on_after(fault)
                continue
            yield value
            self._move(end)

    def _pass_over(self) -> None:
        """White space and commas."""
        buffer, position = self.buffer, self.position
        while position < len(buffer) and buffer[position] in " \t\n\r,":
            self.line += buffer[position] == "\n"
            position += 1
        self.position = position

    def _move(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.position, to)
        self.position = to

    def _end(self) -> None:
        rest = self.buffer[self.position + 1 :] + self.text.read(PIECE)
        if rest.strip():
            self.line += rest.count("\n", 0, len(rest) - len(rest.lstrip()))
            raise bad_json(self.path, self.line, "there is text after the end of the array", rest.strip(), 0)

    def _may_be_cut(self, why: Exception) -> bool:
        """Whether an element is refused because the rest of it isn't there yet."""
        if not isinstance(why, json.JSONDecodeError):
            return True
        return why.msg.startswith(_CUT) or why.pos >= len(self.buffer) - _UNSURE

    def _more(self) -> None:
        if len(self.buffer) - self.position > LONGEST_ROW:
            raise too_long(self.path, self.line, self.element + 1) from None
        piece = self.text.read(self._want)
        self._read += len(piece)
        if self._read > LONGEST_LINE and self.line == 1:
            raise one_line(self.path) from None
        self._want = min(self._want * 2, LONGEST_ROW)
        self._ended = not piece
        self.buffer, self.position = self.buffer[self.position :] + piece, 0

    def _refused(self, why: str, remedy: str = "flatten the row") -> UserError:
        return UserError(why, place=f"{self.path}:{self.line}", remedy=remedy)

    def _go_on_after(self, fault: UserError) -> None:
        """Count a fault, and move to the next element. UserError if none is found."""
        if self._keys is None:
            raise fault from None
        while True:
            for found in _MAY_BEGIN.finditer(self.buffer, self.position + 1):
                if self._is_row(found.end()):
                    self.bad.add(fault)
                    self._move(found.end())
                    return
            if self._ended:
                break
            try:
                self._more()
            except UserError:
                raise fault from None
        self.bad.add(fault)
        left = self.buffer.rstrip()
        self._over = not left.endswith("]")  # else it was the array's last element
        self._move(len(left) - 1)

    def _is_row(self, at: int) -> bool:
        try:
            value, _ = scan(self.buffer, at)
        except (StopIteration, ValueError, RecursionError):
            return False
        return bool(self._keys) and self._keys <= value.keys()


def one_line(path: Path) -> UserError:
    return UserError(
        f"one line of more than {LONGEST_LINE >> 20} MiB",
        place=f"{path}:1",
        remedy="write one row per line (JSONL)",
    )
