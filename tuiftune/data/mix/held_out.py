"""Rows that a column of their own calls held out: they are no training data unless the file has only such."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect.names import PARTITIONS
from tuiftune.data.read.nested import HELD_OUT_KEYS, TRAIN_KEYS
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuiftune.data.read.json_rows import Batch, Row


class HeldOutRows:
    """Leaves aside the rows whose `column` names a held-out part, and counts them."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.left: Counter[str] = Counter()

    @classmethod
    def among(cls, sample: list[Row], columns: Mapping[str, str] | None) -> HeldOutRows | None:
        """None where no column tells parts from one another, or none of the sample is for training."""
        first = next((row for row in sample if row), {})
        for name in first:
            if name.lower() not in PARTITIONS or name in (columns or {}).values():
                continue
            said = {_part(row.get(name)) for row in sample}
            if said <= {*HELD_OUT_KEYS, *TRAIN_KEYS} and said & set(TRAIN_KEYS):
                return cls(name)
        return None

    def of(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches without what is held out."""
        for numbers, rows in batches:
            parts = [_part(row.get(self.column)) for row in rows]
            out = [part in HELD_OUT_KEYS for part in parts]
            if not any(out):
                yield numbers, rows
                continue
            self.left.update(part for part, held in zip(parts, out, strict=True) if held)
            kept = [(number, row) for number, row, held in zip(numbers, rows, out, strict=True) if not held]
            yield [number for number, _ in kept], [row for _, row in kept]

    def say(self, notes: list[str]) -> None:
        """What was left aside, in a line."""
        if self.left:
            parts = ", ".join(f"{printable(part)} {count:,}" for part, count in self.left.most_common())
            notes.append(
                f'rows not used, because of their column "{printable(self.column)[:30]}": {parts} '
                "(to evaluate on them, write them to a file and name it as data.eval)"
            )


def _part(value: Any) -> str:
    """The part that a row belongs to: "train" also of train_sft and "Train set"."""
    return re.split(r"[_\-\s]", str(value).lower().strip(), maxsplit=1)[0]
