"""Trying a format and a column mapping on the first rows of a file, before all of it is read like that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.content import answer_text
from tuiftune.data.convert.threads import joining_of
from tuiftune.data.dataset import Dataset
from tuiftune.data.detect.formats import ColumnsError, UndetectedError
from tuiftune.data.excerpt import excerpt
from tuiftune.data.mix.held_out import HeldOutRows
from tuiftune.data.read.bytestream import mend
from tuiftune.data.read.file_rows import batches_of, sampled
from tuiftune.data.read.files import expand
from tuiftune.data.read.load import kinds_of
from tuiftune.data.read.malformed import Malformed
from tuiftune.data.read.part import Part, Wanted
from tuiftune.errors import UserError, with_fix

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuiftune.data.example import Example
    from tuiftune.data.read.json_rows import Row

SHOWN = 40  # rows of the preview
EXAMPLE = 200  # characters


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: the type of its values, and its first value in one line."""

    name: str
    kind: str
    example: str


@dataclass(frozen=True)
class Beginning:
    """The first rows of the first file that has any, as they stand in it, with their numbers."""

    path: Path
    files: int
    numbers: list[int]
    rows: list[Row]
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Trial:
    """The rows read one way. `fault` says in a line why it can't work; empty where it can. `undetected`: no
    format is known for the columns, and nothing speaks against one that is chosen.
    """

    dataset: Dataset | None
    examples: tuple[Example, ...] = ()
    fault: str = ""
    undetected: bool = False


def beginning(train: str | list[str]) -> Beginning:
    """The rows that a recognition looks at. Raises UserError as `load` does."""
    sources, _ = expand(train)
    for source in sources:
        held, rows = sampled(batches_of(source, [], Counter(), Malformed()))
        if rows:
            numbers = [number for batch in held for number in batch[0]][: len(rows)]
            kinds = kinds_of(rows)
            found = tuple(Column(name, kinds[name], _example(rows, name)) for name in kinds)
            return Beginning(source.path, len(sources), numbers, rows, found)
    raise UserError("no rows", place=str(sources[0].path), remedy="name a file with rows")


def tried(
    first: Beginning,
    format: str = "auto",  # noqa: A002 - the preset's own key
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
) -> Trial:
    """What `load` would make of these rows with this format and mapping; never raises for either."""
    rows, numbers = first.rows, first.numbers
    lost: Counter[str] = Counter()
    try:
        wanted = Wanted(format, columns, system)
        if wanted.nothing and (joining := joining_of(rows, str(first.path))):
            numbers, rows = joining(iter([(numbers, rows)]), lost)
        aside = HeldOutRows.among(rows, columns)
        if aside:
            numbers, rows = next(aside.of(iter([(numbers, rows)])))
        part = Part.of(rows, wanted, str(first.path), lost)
        roles = part.recognition.columns
        dataset = Dataset(part.recognition, part.frame(0, numbers, rows), [first.path], kinds_of(rows))
    except ColumnsError as error:
        # its remedy is at hand
        return Trial(None, fault=error.message, undetected=isinstance(error, UndetectedError))
    except UserError as error:
        return Trial(None, fault=with_fix(error.message, error.remedy))
    twice = [name for name, times in Counter(roles.values()).items() if times > 1]
    if twice and columns:
        both = " and ".join(role for role, name in roles.items() if name == twice[0])
        return Trial(dataset, fault=f'"{excerpt(twice[0], 40)}" cannot be both {both}')
    if not dataset.usable.any():
        words = Counter(fault for cell in dataset.frame["fault"] for fault in (cell or "").split())
        most = ", ".join(fault.replace(":", " ") for fault, _ in words.most_common(2))
        rest = f": {most}" if most else ""
        return Trial(dataset, fault=f"none of the {dataset.rows:,} rows checked can be trained on{rest}")
    return Trial(dataset, tuple(dataset.head(SHOWN)))


def probable(first: Beginning, *, labels: bool = False) -> str:
    """The format to begin with where none was detected: with labels if they are wanted or values look like
    them.
    """
    from tuiftune.data.detect.detect_format import roles_as

    return "classification" if labels or roles_as("classification", first.rows, {}) else "prompt-completion"


def proposed(first: Beginning, kind: str) -> dict[str, str]:
    """The columns to begin with for a format, to be looked at."""
    from tuiftune.data.detect.detect_format import roles_as
    from tuiftune.data.detect.format_detectors import paired_by_values

    found = roles_as(kind, first.rows, {})
    if found or kind != "prompt-completion":
        return found
    return paired_by_values(first.rows, [column.name for column in first.columns])


def _example(rows: list[Row], name: str) -> str:
    value: Any = next((row[name] for row in rows if row.get(name) not in (None, "")), None)
    return "" if value is None else excerpt(mend(answer_text(value)), EXAMPLE)
