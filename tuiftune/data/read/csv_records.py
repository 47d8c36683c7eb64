"""Records of a CSV text, one after the other: one that is malformed is told, and reading goes on after it."""

from __future__ import annotations

import csv
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.data.read.json_rows import LONGEST_ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 8  # lines within a cell; fewer may be prose
NEARLY = 0.9  # of the lines that a cell took in, which have to be records to be taken for them


@dataclass(slots=True)
class Records:
    """Reads records of `width` cells (0: any number, as of a header). `line` is the last line read, from 1.

    A quote that is never closed takes in the lines after it. Where these read like records themselves, they
    are read again as such; else (a cell with a quote inside it) they belong to the malformed record.
    """

    lines: Iterator[str]
    delimiter: str
    width: int = 0
    line: int = 0
    begun: int = 0  # the first line of the latest record
    _again: deque[str] = field(default_factory=deque)
    _held: list[str] = field(default_factory=list)
    _unsure: bool = False  # after a cell over several lines that was malformed: its rest may follow

    def __iter__(self) -> Iterator[list[str] | str]:
        """Cells of each record, or of a malformed one in words what is wrong with it."""
        csv.field_size_limit(LONGEST_ROW)
        reader = self._reader()
        while True:
            self._held.clear()
            self.begun = self.line + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                yield self._told(str(fault))
                reader = self._reader()
            else:
                if self._unsure and record:
                    self._unsure = not (len(self._held) == 1 and self._is_clean(self._held[0]))
                yield "may be the rest of the malformed cell before it" if self._unsure else record

    @property
    def spans(self) -> int:
        """Lines of the latest record."""
        return max(1, self.line - self.begun + 1)

    @property
    def swallows(self) -> bool:
        """Whether the latest record spans lines that read like records: a quote may be missing."""
        return len(self._held) - 2 >= MANY and self._are_records(self._held[1:-1])

    def reread(self) -> bool:
        """Read the lines after the first of the latest record again, where they read like records."""
        if not self._are_records(self._held[1:-1]):
            return False
        self._put_back()
        return True

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self.delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self.lines, None)
            if line is None:
                return
            self.line += 1
            self._held.append(line)
            yield line

    def _told(self, fault: str) -> str:
        """What is wrong with the lines held. Those that are records by themselves are put back."""
        rest = self._held[1:]
        if not rest and "unexpected end" not in fault:
            return "a quoted cell continues after its closing quote"
        inner, ended = (rest, False) if "unexpected end" in fault else (rest[:-1], True)
        if self._are_records(inner) or (
            ended and all(map(self._is_record, inner)) and self._is_clean(rest[-1])
        ):
            self._put_back()
        else:
            self._unsure = True
        return "a quoted cell that begins here is not closed"

    def _put_back(self) -> None:
        self._again.extendleft(reversed(self._held[1:]))
        self.line = self.begun
        del self._held[1:]

    def _are_records(self, lines: list[str]) -> bool:
        """Whether lines are records by themselves, enough of them for it to be no chance."""
        filled = [line for line in lines if line.strip()]
        return self.width > 1 < len(filled) and sum(map(self._is_record, filled)) >= NEARLY * len(filled)

    def _is_record(self, line: str) -> bool:
        """Whether a line is a whole record by itself."""
        try:
            found = list(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error:
            return False
        return len(found) == 1 and len(found[0]) == self.width

    def _is_clean(self, line: str) -> bool:
        """Whether a line is a record whose quotes are all around cells."""
        if not self._is_record(line):
            return False
        other = re.escape(self.delimiter)
        cell = rf'(?:"(?:[^"]|"")*"|[^"{other}]*)'
        return re.fullmatch(rf"{cell}(?:{other}{cell})*", line.rstrip("\r\n")) is not None
