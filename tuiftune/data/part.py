"""What is read alike: rows of the same columns, their recognition and the converter that fits them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.data.convert import Converter
from tuiftune.data.formats import NEEDED
from tuiftune.data.layouts import layout_of, rewritten
from tuiftune.data.names import PICTURES
from tuiftune.data.recognise import recognise
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuiftune.data.formats import Recognition
    from tuiftune.data.json_rows import Row
    from tuiftune.data.layouts import Layout


@dataclass(frozen=True)
class Part:
    """Files whose rows have the same columns."""

    recognition: Recognition
    converter: Converter
    layout: Layout | None
    sample: list[Row]
    seen: frozenset[str]  # columns of the sample, after the layout was rewritten
    lost: Counter[str]

    @classmethod
    def of(
        cls,
        sample: list[Row],
        named: str,
        columns: Mapping[str, str] | None,
        place: str,
        lost: Counter[str],
        system: str | None,
    ) -> Part:
        """Recognise a sample. A mapping by the user speaks of the columns as they are in the file."""
        layout = None if columns else layout_of(sample)
        looked = sample
        if layout is not None:
            looked = rewritten(layout, ([0] * len(sample), sample), Counter())[1]
        recognition = recognise(looked, named, columns, place)
        if layout is not None:
            recognition = replace(recognition, evidence=(layout.evidence, *recognition.evidence))
        converter = Converter(recognition, system, lost)
        return cls(recognition, converter, layout, sample, _names(looked), lost)

    def reads(self, sample: list[Row]) -> bool:
        """Whether the rows of another file have the columns that are needed here."""
        looked = rewritten(self.layout, ([0] * len(sample), sample), Counter())[1] if self.layout else sample
        roles = self.recognition.columns
        needed = {roles[role] for role in NEEDED[self.recognition.format] if role in roles}
        return needed <= _names(looked)

    def frame(self, file: int, numbers: list[int], rows: list[Row]) -> pl.DataFrame:
        """A batch of the file in the internal form."""
        if self.layout is not None:
            numbers, rows = rewritten(self.layout, (numbers, rows), self.lost)
        return self.converter.frame(file, numbers, rows)

    def pictures(self) -> str | None:
        """What is said of rows that come with pictures, sound or film."""
        kinds = [name for name in self.unused() if name.lower() in PICTURES]
        if not kinds:
            return None
        listed = ", ".join(printable(name)[:30] for name in kinds)
        return f"only text is trained: {listed} are left out, marks such as <image> stay as plain text"

    def unused(self) -> list[str]:
        """Columns that play no role."""
        used = set(self.recognition.columns.values())
        return [
            name
            for name in dict.fromkeys(name for row in self.sample for name in row)
            if name in self.seen - used
        ]


def _names(rows: list[Row]) -> frozenset[str]:
    return frozenset(name for row in rows for name in row)


def joined(first: Part, other: Part, place: str, notes: list[str]) -> None:
    """Say that a file is of another format. UserError where the two can't be trained together."""
    one, two = first.recognition, other.recognition
    labelled = {one.format, two.format} & {"classification"}
    if one.stage != two.stage or (labelled and one.format != two.format):
        raise UserError(
            f"its rows are {two.format}, those before it {one.format}: they can't be trained together",
            place=place,
            remedy="name files of one kind, or mix them in with data.mix",
        )
    notes.append(f"{place} is {two.format}: {two.evidence[-1]}")
