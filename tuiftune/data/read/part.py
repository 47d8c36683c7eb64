"""What is read alike: rows of the same columns, their recognition and the converter that fits them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.feedback import MASKS
from tuiftune.data.convert.rows import Converter
from tuiftune.data.detect import thumbs
from tuiftune.data.detect.detect_format import recognize
from tuiftune.data.detect.formats import NEEDED, SAMPLE, ColumnsError
from tuiftune.data.detect.names import PICTURES
from tuiftune.data.read.layouts import layout_of, rewritten
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuiftune.data.detect.formats import Recognition
    from tuiftune.data.read.json_rows import Row
    from tuiftune.data.read.layouts import Layout

FRESH = 64  # rows kept of those that show a column for the first time
WATCHED = frozenset((*thumbs.VERDICTS, *thumbs.GRADES, *thumbs.LABELS, *MASKS))
MOST_WORDS = 16
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class ColumnsChangedError(Exception):
    """Rows further on speak for another reading of the file; `sample` holds some of them."""

    def __init__(self, sample: list[Row]) -> None:
        super().__init__("the columns of later rows change the format of the file")
        self.sample = sample


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user said of the rows: format, columns (role → column) and system message.

    `elsewhere` are columns that only other files have.
    """

    format: str = "auto"
    columns: Mapping[str, str] | None = None
    system: str | None = None
    elsewhere: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        """Whether all is to be recognized."""
        return self.format == "auto" and not self.columns


@dataclass
class Part:
    """Rows with the same columns."""

    recognition: Recognition
    converter: Converter
    layout: Layout | None
    sample: list[Row]  # as they stand in the file
    wanted: Wanted
    place: str
    lost: Counter[str]
    unread: Counter[str] = field(default_factory=Counter)  # rows that have a value there, by column
    _looked: list[Row] = field(default_factory=list)  # the sample after the layout was rewritten
    _valued: set[str] = field(default_factory=set)
    _words: dict[str, set[str]] = field(default_factory=dict)
    _judging: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, sample: list[Row], wanted: Wanted, place: str, lost: Counter[str]) -> Part:
        """Detect the format of a sample. A mapping by the user speaks of the columns as they are in the
        file.
        """
        try:
            layout = None if wanted.columns else layout_of(sample, wanted.format)
        except ColumnsError as error:
            raise ColumnsError(error.message, place=place, remedy=error.remedy) from None
        looked = sample
        if layout is not None:
            looked = rewritten(layout, ([0] * len(sample), sample), Counter())[1]
        if layout is not None and not looked:
            raise ColumnsError(f"none of its rows can be read: {layout.evidence}", place=place)
        recognition = recognize(looked, wanted.format, wanted.columns, place, wanted.elsewhere)
        if layout is not None:
            recognition = replace(recognition, evidence=(layout.evidence, *recognition.evidence))
        part = cls(
            recognition, Converter(recognition, wanted.system, lost), layout, sample, wanted, place, lost
        )
        part._look(looked)
        return part

    def _look(self, looked: list[Row]) -> None:
        self._looked = looked
        for row in looked:
            for name, value in row.items():
                if value not in _EMPTY:
                    self._valued.add(name)
                    if thumbs.key(name) in WATCHED:
                        self._words.setdefault(name, set()).add(str(value))

    @property
    def needed(self) -> set[str]:
        """The columns without which a row can't be of this format."""
        roles = self.recognition.columns
        return {roles[role] for role in NEEDED[self.recognition.format] if role in roles}

    def names(self, rows: list[Row]) -> frozenset[str]:
        """The columns of some rows of the file, after its layout was rewritten."""
        looked = rewritten(self.layout, ([0] * len(rows), rows), Counter())[1] if self.layout else rows
        return frozenset(name for row in looked for name in row)

    def fits(self, row: Row) -> bool:
        """Whether a row has the columns that are needed, or nothing in others that could be read instead."""
        needed = self.needed
        return all(row.get(name) is not None for name in needed) or not any(
            value not in _EMPTY
            for name, value in row.items()
            if name not in self.recognition.columns.values()
        )

    def frame(self, file: int, numbers: list[int], rows: list[Row]) -> pl.DataFrame:
        """A batch of the file in the internal form. ColumnsChangedError where its columns say that all was
        read wrongly so far.
        """
        raw = rows
        if self.layout is not None:
            numbers, rows = rewritten(self.layout, (numbers, rows), self.lost)
        fresh = self._count_unread(rows)
        if fresh:
            self._grow(raw if self.layout else list(fresh.values()))
            self._valued |= fresh.keys()
            self.unread.subtract(self.unread.keys() & self.recognition.columns.values())
        return self.converter.frame(file, numbers, rows)

    def _count_unread(self, rows: list[Row]) -> dict[str, Row]:
        """Count what no role reads. A row for each column, or word of a judging one, that is seen first."""
        used = set(self.recognition.columns.values())
        fresh: dict[str, Row] = {}
        for name in self._names_of(rows):
            if name in used:
                continue
            filled = [row for row in rows if row.get(name) not in _EMPTY]
            if not filled:
                continue
            self.unread[name] += len(filled)
            if name not in self._valued:
                fresh[name] = filled[0]
            if name not in self._judging:
                down = next((row for row in filled if thumbs.may_judge(row[name], name)), None)
                if down is not None:
                    self._judging.add(name)
                    fresh[f"{name} rates"] = down
            if thumbs.key(name) in WATCHED:
                words = self._words.setdefault(name, set())
                for row in filled:
                    if len(words) < MOST_WORDS and (word := str(row[name])) not in words:
                        words.add(word)
                        fresh[f"{name}={word}"] = row
        return fresh

    @staticmethod
    def _names_of(rows: list[Row]) -> list[str]:
        first = rows[0].keys() if rows else ()
        if all(row.keys() == first for row in rows):
            return list(first)
        return list(dict.fromkeys(name for row in rows for name in row))

    def _grow(self, shows: list[Row]) -> None:
        """Take up what only later rows show. ColumnsChangedError where it makes the file something else."""
        sample = [*self.sample, *shows[:FRESH]]
        again = Part.of(sample, self.wanted, self.place, self.lost)
        old, new = self.recognition, again.recognition
        layouts = (self.layout and self.layout.evidence, again.layout and again.layout.evidence)
        if (
            layouts[0] != layouts[1]
            or old.format != new.format
            or any(new.columns.get(role) != name for role, name in old.columns.items())
        ):
            raise ColumnsChangedError(sample)
        self.sample, self.recognition, self.converter.recognition = sample, new, new
        self._valued |= again._valued
        for name, words in again._words.items():
            self._words.setdefault(name, set()).update(words)
        for name in new.columns.values():
            self.unread.pop(name, None)

    def pictures(self) -> str | None:
        """What is said of rows that come with pictures, sound or film."""
        kinds = [name for name in self.unread if name.lower() in PICTURES and self.unread[name]]
        if not kinds:
            return None
        listed = ", ".join(printable(name)[:30] for name in kinds)
        return f"only text is trained: {listed} are dropped; markers such as <image> stay as plain text"


def joined(first: Part, other: Part, place: str, notes: list[str]) -> None:
    """Say that rows are of another format. UserError where the two can't be trained together."""
    one, two = first.recognition, other.recognition
    labeled = {one.format, two.format} & {"classification"}
    if one.stage != two.stage or (labeled and one.format != two.format):
        raise UserError(
            f"its rows are {two.format}, the rows before it are {one.format}: they cannot be trained "
            "together",
            place=place,
            remedy="name files of one kind, or mix them in with data.mix",
        )
    notes.append(f"{place} is {two.format}: {two.evidence[-1]}")


__all__ = ["FRESH", "SAMPLE", "ColumnsChangedError", "Part", "Wanted", "joined"]
