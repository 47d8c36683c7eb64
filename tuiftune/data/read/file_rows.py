"""One file into frames: its first rows say how it is read, later ones may add columns or other layouts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.threads import joining_of
from tuiftune.data.detect.formats import SAMPLE, ColumnsError
from tuiftune.data.mix.held_out import HeldOutRows
from tuiftune.data.read.csv_rows import csv_rows
from tuiftune.data.read.json_document import json_document
from tuiftune.data.read.json_rows import json_lines
from tuiftune.data.read.kept import FILE_BYTES
from tuiftune.data.read.malformed import Malformed
from tuiftune.data.read.part import FRESH, ColumnsChangedError, Part, joined
from tuiftune.data.read.table_rows import table_rows
from tuiftune.data.read.text_rows import text_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from tuiftune.data.read.files import SourceFile
    from tuiftune.data.read.json_rows import Batch, Row
    from tuiftune.data.read.kept import Keeping
    from tuiftune.data.read.part import Wanted

_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass
class FileRows:
    """A file that was read: its frames, the parts they are of, and what is to be said of it."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    malformed: Malformed = field(default_factory=Malformed)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _bytes: int = 0

    def add(self, frame: pl.DataFrame, keep: Keeping | None) -> None:
        """Take the next frame."""
        self._held.append(frame)
        if keep is not None:
            self._bytes += int(frame.estimated_size())
            if self._bytes >= FILE_BYTES:
                self.settle(keep)

    def settle(self, keep: Keeping | None) -> None:
        """Write what is held, where it is to be."""
        if self._held:
            self.frames += self._held if keep is None else [keep.put(self._held)]
        self._held, self._bytes = [], 0


def read_file(
    source: SourceFile,
    index: int,
    wanted: Wanted,
    before: list[Part],
    progress: Callable[[pl.DataFrame, int], None],
    keep: Keeping | None = None,
) -> FileRows:
    """Read a file, twice where its later rows turn out to speak for another format than its first.

    `before` are the parts of the files before it. `progress` is told of each frame and its rows; with `keep`
    they go to files.
    """
    try:
        return _read(source, index, wanted, before, progress, None, keep)
    except ColumnsChangedError as changed:
        sample = [*changed.sample, *_shows(source)]
    return _read(source, index, wanted, before, progress, sample, keep)


def _read(
    source: SourceFile,
    index: int,
    wanted: Wanted,
    before: list[Part],
    progress: Callable[[pl.DataFrame, int], None],
    known: list[Row] | None,
    keep: Keeping | None,
) -> FileRows:
    """`known` are rows that show all columns, from an earlier reading."""
    made = FileRows()
    place = str(source.path)
    batches = batches_of(source, made.notes, made.lost, made.malformed)
    held, sample = sampled(batches)
    if not sample:
        return made
    joining = joining_of(sample, place) if wanted.nothing else None
    if joining is not None:
        whole = joining(chain(held, batches), made.lost)
        held, batches, sample = [whole], iter(()), whole[1][:SAMPLE]
        known = None
        made.notes.append(f"{len(whole[1]):,} conversations, put together from single messages")
        if not sample:
            return made
    part = _part_of(known or sample, wanted, before, made, place)
    made.parts.append(part)
    aside = HeldOutRows.among(sample, wanted.columns)
    for numbers, rows in aside.of(chain(held, batches)) if aside else chain(held, batches):
        frame = _frame(made, part, index, numbers, rows)
        progress(frame, len(rows))
        made.add(frame, keep)
    made.settle(keep)
    if aside:
        aside.say(made.notes)
    return made


def _part_of(sample: list[Row], wanted: Wanted, before: list[Part], made: FileRows, place: str) -> Part:
    """How the file is read: as one of the files before it where that reads it, else by its own columns."""
    like = next((part for part in before if part.needed <= part.names(sample)), None)
    if like is not None:
        try:
            both = Part.of([*like.sample, *sample], wanted, place, made.lost)
        except ColumnsError:
            both = None  # what the files are together is not known; its own rows may tell
        if both is not None and both.recognition.format == like.recognition.format:
            return both
    part = Part.of(sample, wanted, place, made.lost)
    if before:
        joined(before[0], part, place, made.notes)
    return part


def _frame(made: FileRows, part: Part, index: int, numbers: list[int], rows: list[Row]) -> pl.DataFrame:
    """A batch, its rows of another layout read by parts of their own."""
    import polars as pl

    others = (
        [at for at, row in enumerate(rows) if not part.fits(row)]
        if part.wanted.nothing and not part.layout and _lacks(part, rows)
        else []
    )
    if not others:
        return part.frame(index, numbers, rows)
    frames: list[pl.DataFrame] = []
    left = others
    known = iter(made.parts[1:])
    while left and (other := next(known, None) or _new_part(made, part, rows, numbers, left)):
        needed = other.needed
        mine = [at for at in left if all(rows[at].get(name) is not None for name in needed)]
        if mine:
            frames.append(other.frame(index, [numbers[at] for at in mine], [rows[at] for at in mine]))
            left = [at for at in left if at not in set(mine)]
    elsewhere = set(others) - set(left)
    stay = [at for at in range(len(rows)) if at not in elsewhere]
    frames.append(part.frame(index, [numbers[at] for at in stay], [rows[at] for at in stay]))
    return pl.concat(frames).sort("row", maintain_order=True)


def _lacks(part: Part, rows: list[Row]) -> bool:
    return any(None in [row.get(name) for row in rows] for name in part.needed)


def _new_part(
    made: FileRows, main: Part, rows: list[Row], numbers: list[int], left: list[int]
) -> Part | None:
    """A part for rows that none of those there are reads; None where they aren't recognized for sure."""
    try:
        part = Part.of([rows[at] for at in left[:SAMPLE]], main.wanted, main.place, made.lost)
    except ColumnsError:
        return None
    if part.recognition.format in ("text", "classification") or part.layout is not None:
        return None  # a stray row says too little for that
    if part.needed <= set(main.recognition.columns.values()):
        return None  # rows like the others, in which something is missing
    whole = (at for at in left if all(rows[at].get(name) is not None for name in part.needed))
    first = next(whole, None)
    if first is None:
        return None
    joined(main, part, f"{main.place}:{numbers[first]}", made.notes)
    made.parts.append(part)
    return part


def batches_of(
    source: SourceFile, notes: list[str], lost: Counter[str], malformed: Malformed
) -> Iterator[Batch]:
    """The rows of a file as they stand in it, a batch at a time; what is no row goes to `malformed`."""
    if source.kind == "json":
        yield from json_document(source.path, malformed, notes)
    elif source.kind == "table":
        yield from table_rows(source.path, lost)
    elif source.kind == "text":
        yield from text_rows(source.path, lost)
    elif source.kind == "csv":
        yield from csv_rows(source.path, malformed, lost)
    else:
        yield from json_lines(source.path, malformed)


def sampled(batches: Iterator[Batch]) -> tuple[list[Batch], list[Row]]:
    """The first batches, and of their rows those that are looked at."""
    held: list[Batch] = []
    sample: list[Row] = []
    for batch in batches:
        held.append(batch)
        sample.extend(batch[1][: SAMPLE - len(sample)])
        if len(sample) >= SAMPLE:
            break
    return held, sample


def _shows(source: SourceFile) -> list[Row]:
    """Rows of the whole file that show its columns: some for each column that has a value."""
    seen: Counter[str] = Counter()
    shows: list[Row] = []
    for _, rows in batches_of(source, [], Counter(), Malformed()):
        for row in rows:
            fresh = [name for name, value in row.items() if seen[name] < FRESH and value not in _EMPTY]
            if fresh:
                seen.update(fresh)
                shows.append(row)
    return shows


def columns_of(source: SourceFile) -> frozenset[str]:
    """All columns of a file."""
    batches = batches_of(source, [], Counter(), Malformed())
    return frozenset(name for _, rows in batches for row in rows for name in row)


def first_columns(source: SourceFile) -> frozenset[str]:
    """The columns of a file's first rows."""
    _, rows = next(batches_of(source, [], Counter(), Malformed()), ([], []))
    return frozenset(name for row in rows for name in row)
