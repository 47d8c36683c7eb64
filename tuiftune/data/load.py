"""Reading a dataset, whatever its files look like, into one `Dataset`."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert import schema
from tuiftune.data.csv_rows import csv_rows
from tuiftune.data.dataset import Dataset
from tuiftune.data.files import SourceFile, expand
from tuiftune.data.formats import SAMPLE
from tuiftune.data.heldout import HeldOutRows
from tuiftune.data.json_rows import json_document, json_lines
from tuiftune.data.layouts import is_threads, threads
from tuiftune.data.part import Part, joined
from tuiftune.data.table_rows import table_rows
from tuiftune.data.text_rows import text_rows
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl

    from tuiftune.data.json_rows import Batch, Row

_READERS: dict[str, Callable[..., Iterator[Batch]]] = {"jsonl": json_lines, "csv": csv_rows}


def load(
    train: str | list[str],
    *,
    format: str = "auto",  # noqa: A002 - the preset's own key
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Read files, a glob, a directory or `builtin:tickets` and recognise their format.

    `format` and `columns` (role → column) overrule the guess; `system` goes before rows that have none.
    `progress` is called with the number of rows so far, several times a second; what it raises ends the
    reading.
    Raises UserError with file and row for anything that can't be read.
    """
    import polars as pl

    sources, notes = expand(train)
    place = str(sources[0].path) if len(sources) == 1 else f"{len(sources)} files"
    memory = _Memory(place)
    frames: list[pl.DataFrame] = []
    parts: list[Part] = []
    lost: Counter[str] = Counter()
    done = 0
    for index, source in enumerate(sources):
        batches = batches_of(source, notes, lost)
        held, sample = sampled(batches)
        if not sample:
            continue
        if not columns and format == "auto" and is_threads(sample):
            whole = threads(chain(held, batches), lost)
            held, batches, sample = [whole], iter(()), whole[1][:SAMPLE]
            notes.append(f"{len(whole[1]):,} conversations, put together from messages and what they answer")
        part = parts[0] if parts and parts[0].reads(sample) else None
        if part is None:
            part = Part.of(sample, format, columns, str(source.path), lost, system)
            if parts:
                joined(parts[0], part, str(source.path), notes)
            parts.append(part)
        aside = HeldOutRows.among(sample, columns)
        for numbers, rows in aside.of(chain(held, batches)) if aside else chain(held, batches):
            done += len(rows)
            made = part.frame(index, numbers, rows)
            memory.add(int(made.estimated_size()))
            frames.append(made)
            if progress:
                progress(done)
        if aside:
            aside.say(notes)
    if not parts:
        raise UserError("no rows", place=place, remedy="name a file with rows")
    frame = pl.concat(frames, rechunk=False) if frames else pl.DataFrame(schema=schema())
    said = [f"{sentence} ({count:,} times)" for sentence, count in lost.most_common()]
    said += [sentence for part in parts if (sentence := part.pictures())]
    if unused := _unused(parts):
        said.append("columns not used: " + unused)
    kinds = kinds_of([row for part in parts for row in part.sample])
    recognition = parts[0].recognition
    return Dataset(recognition, frame, [source.path for source in sources], kinds, said, notes)


def batches_of(source: SourceFile, notes: list[str], lost: Counter[str]) -> Iterator[Batch]:
    """The rows of a file as they stand in it, a batch at a time."""
    if source.kind == "json":
        yield from json_document(source.path, notes)
    elif source.kind == "table":
        yield from table_rows(source.path, lost)
    elif source.kind == "text":
        yield from text_rows(source.path, lost)
    else:
        yield from _READERS[source.kind](source.path)


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


def _unused(parts: list[Part]) -> str:
    from tuiftune.printable import printable

    rest = dict.fromkeys(printable(name)[:40] for part in parts for name in part.unused())
    return ", ".join(list(rest)[:8]) + (" …" if len(rest) > 8 else "")


class _Memory:
    """Stops reading before the machine swaps: at most half of what is free when reading begins."""

    def __init__(self, place: str) -> None:
        import psutil

        self.place = place
        self.limit = psutil.virtual_memory().available // 2
        self.used = 0

    def add(self, size: int) -> None:
        self.used += size
        if self.used > self.limit:
            raise UserError(
                f"the rows need more than {self.limit >> 20} MiB, half of the memory that is free",
                place=self.place,
                remedy="name fewer files, or a machine with more memory",
            )
