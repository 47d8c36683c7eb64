"""What the thread that reads and checks a dataset tells the data step, as it finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.data.mix.sources import Portion


class AbandonedError(Exception):
    """Raised in the thread to end a reading that nobody waits for any more."""


@dataclass
class Reading(Message):
    """Rows so far, or what is being done ("" when all is done) and which share of the checks is behind it.

    `about` is the number of the reading: what comes late from an abandoned one is passed over.
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
    """What is seen of each source where some are mixed in, or why that can't be said."""

    about: int
    portions: tuple[Portion, ...]
    fault: str = ""


@dataclass
class Unreadable(Message):
    about: int
    error: str
