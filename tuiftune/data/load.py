"""Reading a dataset, whatever its files look like, into one `Dataset`."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert import Converter, schema
from tuiftune.data.csv_rows import csv_rows
from tuiftune.data.dataset import Dataset
from tuiftune.data.files import SourceFile, expand
from tuiftune.data.json_rows import json_document, json_lines
from tuiftune.data.recognise import SAMPLE, recognise
from tuiftune.data.table_rows import table_rows
from tuiftune.data.text_rows import text_rows
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl

    from tuiftune.data.json_rows import Batch, Row

_READERS: dict[str, Callable[..., Iterator[Batch]]] = {
    "jsonl": json_lines,
    "json": json_document,
    "csv": csv_rows,
    "table": table_rows,
    "text": text_rows,
}


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
    batches = _batches(sources, notes)
    held: list[tuple[int, Batch]] = []
    sample: list[Row] = []
    for file, batch in batches:
        held.append((file, batch))
        sample.extend(batch[1][: SAMPLE - len(sample)])
        if len(sample) >= SAMPLE:
            break
    if not sample:
        raise UserError("no rows", place=place, remedy="name a file with rows")
    recognition = recognise(sample, format, columns, place)
    converter = Converter(recognition, system)
    memory = _Memory(place)
    frames: list[pl.DataFrame] = []
    done = 0
    for file, (numbers, rows) in chain(held, batches):
        made = converter.frame(file, numbers, rows)
        memory.add(int(made.estimated_size()))
        frames.append(made)
        done += len(rows)
        if progress:
            progress(done)
    frame = pl.concat(frames, rechunk=False) if frames else pl.DataFrame(schema=schema())
    lost = [f"{sentence} ({count:,} times)" for sentence, count in converter.lost.most_common()]
    unused = _unused(sample, recognition.columns)
    if unused:
        lost.append("columns not used: " + unused)
    return Dataset(recognition, frame, [source.path for source in sources], _kinds(sample), lost, notes)


def _batches(sources: list[SourceFile], notes: list[str]) -> Iterator[tuple[int, Batch]]:
    for index, source in enumerate(sources):
        reader = _READERS[source.kind]
        for batch in json_document(source.path, notes) if source.kind == "json" else reader(source.path):
            yield index, batch


def _kinds(sample: list[Row]) -> dict[str, str]:
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


def _unused(sample: list[Row], columns: Mapping[str, str]) -> str:
    from tuiftune.printable import printable

    used = set(columns.values())
    rest = list(dict.fromkeys(printable(name)[:40] for row in sample for name in row if name not in used))
    return ", ".join(rest[:8]) + (" …" if len(rest) > 8 else "")


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
