"""What the thread that reads and checks a dataset tells the data step, as it finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.data.mix.sources import Portion


class AbandonedError(Exception):
    """Raised in the thread to end a reading that nobody waits for any more."""


class Reading(Message):
    """Rows so far, or what is being done ("" when all is done) and which share of the checks is behind it.

    `about` is the number of the reading: what comes late from an abandoned one is passed over.
    """

    def __init__(self, about: int, rows: int | None, doing: str, share: float = 0.0) -> None:
        super().__init__()
        self.about, self.rows, self.doing, self.share = about, rows, doing, share


class Read(Message):
    def __init__(self, about: int, dataset: Dataset, samples: list[Example], fault: str) -> None:
        super().__init__()
        self.about, self.dataset, self.samples, self.fault = about, dataset, samples, fault


class Checked(Message):
    def __init__(self, about: int, check: Check) -> None:
        super().__init__()
        self.about, self.check = about, check


class Measured(Message):
    def __init__(self, about: int, lengths: dict[str, Any]) -> None:
        super().__init__()
        self.about, self.lengths = about, lengths


class Mixed(Message):
    """What is seen of each source where some are mixed in, or why that can't be said."""

    def __init__(self, about: int, portions: tuple[Portion, ...], fault: str = "") -> None:
        super().__init__()
        self.about, self.portions, self.fault = about, portions, fault


class Unreadable(Message):
    def __init__(self, about: int, error: str) -> None:
        super().__init__()
        self.about, self.error = about, error
