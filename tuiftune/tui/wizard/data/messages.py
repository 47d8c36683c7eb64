"""Messages from the thread that reads and checks a dataset to the data step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.data.mix.sources import Portion
    from tuiftune.wizard.labels import Similar


class AbandonedError(Exception):
    """Raised in the thread to end a read that was replaced by another."""


@dataclass
class Reading(Message):
    """Rows read so far, or the current check ("" when all are done) and the share of checks done.

    `about` is the number of the read: late messages of an abandoned one are ignored.
    """

    about: int
    rows: int | None
    doing: str
    share: float = 0.0


@dataclass
class Read(Message):
    about: int
    dataset: Dataset
    samples: list[Example]
    fault: str
    similar: Similar


@dataclass
class Checked(Message):
    about: int
    check: Check


@dataclass
class Measured(Message):
    about: int
    lengths: dict[str, Any]


@dataclass
class Mixed(Message):
    """The rows per epoch of each source of a mix, or why they are unknown."""

    about: int
    portions: tuple[Portion, ...]
    fault: str = ""


@dataclass
class Unreadable(Message):
    """Why there are no rows. `malformed`: only some lines are none, and cleaning drops them. `unmapped`: it
    is enough to say which column has which role.
    """

    about: int
    error: str
    malformed: bool = False
    unmapped: bool = False


@dataclass
class Salvaged(Message):
    """The rows of data with malformed lines, to be cleaned; or why there are none."""

    about: int
    dataset: Dataset | None
    error: str = ""
