"""Reading a dataset, whatever its files look like, into one `Dataset`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.cache.place import DIRECTORY, LIMIT
from tuiftune.control_group import memory_available
from tuiftune.data.convert.rows import schema
from tuiftune.data.dataset import Dataset
from tuiftune.data.detect.formats import ColumnsError
from tuiftune.data.detect.judging import counted, judging
from tuiftune.data.read.file_rows import FileRows, columns_of, read_file
from tuiftune.data.read.files import expand
from tuiftune.data.read.kept import keeping
from tuiftune.data.read.malformed import Malformed
from tuiftune.data.read.part import Part, Wanted
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from tuiftune.data.detect.formats import Recognition
    from tuiftune.data.read.files import SourceFile
    from tuiftune.data.read.json_rows import Row
    from tuiftune.data.read.kept import Keeping

LISTED = 20  # columns named one by one


def load(
    train: str | list[str],
    *,
    format: str = "auto",  # noqa: A002 - the preset's own key
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    progress: Callable[[int], None] | None = None,
    keep_going: bool = False,
) -> Dataset:
    """Read files, a glob, a directory or `builtin:tickets` and recognize their format.

    `format` and `columns` (role → column) overrule the guess; `system` goes before rows that have none.
    `progress` is called with the number of rows so far, several times a second; what it raises ends the
    reading.
    Raises UserError with file and row for anything that can't be read; with `keep_going`, lines that are no
    rows are left to the dataset's `malformed` instead.
    """
    sources, notes = expand(train)
    wanted = Wanted(format, columns, system)
    keep = keeping(sources, wanted, lambda: progress(0) if progress else None)
    if keep is None:
        return _load(sources, notes, wanted, progress, None, keep_going=keep_going)
    if (known := keep.found()) is not None:
        if progress:
            progress(known.rows)
        vars(known)["system"] = system
        return known
    if not keep.fits():
        keep.drop()
        return _load(sources, notes, wanted, progress, None, keep_going=keep_going)
    try:
        return _load(sources, notes, wanted, progress, keep, keep_going=keep_going)
    except BaseException:
        keep.drop()
        raise


def _load(
    sources: list[SourceFile],
    notes: list[str],
    wanted: Wanted,
    progress: Callable[[int], None] | None,
    keep: Keeping | None,
    *,
    keep_going: bool,
) -> Dataset:
    import polars as pl

    place = str(sources[0].path) if len(sources) == 1 else f"{len(sources)} files"
    memory = _Memory(place)
    done = 0

    def told(frame: pl.DataFrame, rows: int) -> None:
        nonlocal done
        if keep is None:
            memory.add(int(frame.estimated_size()))
        done += rows
        if progress:
            progress(done)

    parts: list[Part] = []
    made: list[FileRows] = []
    for index, source in enumerate(sources):
        try:
            read = read_file(source, index, wanted, parts, told, keep)
        except ColumnsError:
            if not wanted.columns or wanted.elsewhere:
                raise
            wanted = replace(wanted, elsewhere=frozenset().union(*map(columns_of, sources)))
            read = read_file(source, index, wanted, parts, told, keep)
        made.append(read)
        parts += read.parts
    malformed = Malformed()
    for read in made:
        malformed.extend(read.malformed)
    if malformed.count and not (keep_going and parts):
        malformed.refuse(done)
    if not parts:
        raise UserError("no rows", place=place, remedy="name a file with rows")
    frames = [frame for read in made for frame in read.frames]
    frame = pl.concat(frames, rechunk=False) if frames else pl.DataFrame(schema=schema())
    lost = sum((read.lost for read in made), Counter[str]())
    notes += [note for read in made for note in read.notes]
    said = [f"{sentence} ({count:,} times)" for sentence, count in lost.most_common()]
    said += dict.fromkeys(sentence for part in parts if (sentence := part.pictures()))
    counts = _unread(parts)
    said += judging(counts, [row for part in parts for row in part.sample])
    if unused := _listed(counts):
        said.append("columns not used: " + unused)
    kinds = kinds_of([row for part in parts for row in part.sample])
    files = [source.path for source in sources]
    dataset = Dataset(_together(parts), frame, files, kinds, said, notes, malformed, wanted.system)
    return dataset if keep is None else keep.seal(dataset, frames)


def _together(parts: list[Part]) -> Recognition:
    """The recognition of the first part, with the columns that only others of its format have."""
    first = parts[0].recognition
    alike = [part.recognition.columns for part in parts if part.recognition.format == first.format]
    columns = {role: name for roles in reversed(alike) for role, name in roles.items()}
    evidence = first.evidence
    if len({part.place for part in parts}) > 1 and len({part.recognition.evidence for part in parts}) > 1:
        evidence = (f"{parts[0].place}: {evidence[0]}", *evidence[1:])  # the others' are in the notes
    return replace(first, evidence=evidence, columns={**first.columns, **columns, **first.columns})


def kinds_of(sample: list[Row]) -> dict[str, str]:
    """The type of each source column, as seen in the sample."""
    kinds: dict[str, set[str]] = {}
    for row in sample:
        for name, value in row.items():
            seen = kinds.setdefault(name, set())
            if value is not None:
                seen.add(_kind(value))
    return {name: " or ".join(sorted(seen)) or "null" for name, seen in kinds.items()}


def _kind(value: Any) -> str:
    names = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}
    return names.get(type(value), type(value).__name__)


def _unread(parts: list[Part]) -> Counter[str]:
    """Each column that no role reads, with the rows that have a value there."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update({name: count for name, count in part.unread.items() if count > 0})
    return counts


def _listed(counts: Counter[str]) -> str:
    listed = [counted(name, count) for name, count in counts.items()]
    return ", ".join(listed[:LISTED]) + (f" and {len(listed) - LISTED} more" if len(listed) > LISTED else "")


class _Memory:
    """Stops reading before the machine swaps: at most half of what is free when reading begins."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.limit = memory_available() // 2
        self.used = 0

    def add(self, size: int) -> None:
        self.used += size
        if self.used > self.limit:
            raise UserError(
                f"the rows need more than {self.limit >> 20} MiB, half of the free RAM",
                place=self.place,
                remedy="use fewer files or a machine with more RAM; files of many rows are mapped from the "
                f"cache instead, if its disk has room ({DIRECTORY}, {LIMIT})",
            )
