"""Lines of data files that are no rows: all are counted, the first are kept with their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from tuiftune.errors import UserError

KEPT = 50
REMEDY = "fix it, or drop it: tuiftune data clean FILE -o CLEANED.jsonl"


class MalformedError(UserError):
    """Lines that are no rows. Reading the rest, or cleaning, drops them."""


@dataclass
class Malformed:
    """`count` lines in all; `first` are the errors of the first 50, each with its file and line."""

    count: int = 0
    first: list[UserError] = field(default_factory=list)

    def add(self, fault: UserError, lines: int = 1) -> None:
        """Count one more, of so many lines."""
        self.count += lines
        if len(self.first) < KEPT:
            self.first.append(fault)

    def extend(self, others: Malformed) -> None:
        """Count those of another file."""
        self.count += others.count
        self.first += others.first[: KEPT - len(self.first)]

    def refuse(self, rows: int) -> NoReturn:
        """Raise UserError that names the first line and how many there are, next to `rows` good ones."""
        fault = self.first[0]
        more = "" if self.count == 1 else f" (the first of {self.count:,} malformed lines; {rows:,} are rows)"
        raise MalformedError(fault.message + more, place=fault.place, remedy=REMEDY) from None
