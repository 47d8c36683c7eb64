"""What a tracker is: a service or a viewer that a run's metrics are sent to, without touching the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sending:
    """What is sent: one run, under one ID, which stays the same however often it is resumed.

    Attributes:
        project: what groups runs there.
        name: of the run.
        id: of the run there; 16 hexadecimal digits.
        config: dotted keys of the resolved preset, without secrets.
        directory: of this machine, for trackers that write files.
        resumed: it was sent in part before.
        step: last step that was sent; 0 for none.
    """

    project: str
    name: str
    id: str
    config: Mapping[str, Any]
    directory: Path
    resumed: bool = False
    step: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its state and exit code, final scores by name, and where its result lies."""

    state: str
    exit_code: int
    scores: Mapping[str, float]
    result: str | None = None


class Sink(Protocol):
    """An open connection to a tracker. May raise anything: who sends turns it into one line."""

    def log(self, step: int, when: float, values: Mapping[str, float]) -> None:
        """Take the values of a step; `when` in UTC seconds. Steps after a resume may go back."""

    def flush(self) -> None:
        """Send what was taken."""

    def end(self, ended: Ended | None) -> None:
        """Close it; `ended` is None where the run goes on without being followed."""


@dataclass(frozen=True, slots=True)
class Tracker:
    """An entry of the registry.

    Attributes:
        key: its name in `run.report_to`.
        title: its name.
        module: what is imported; its extra is named like the tracker.
        look: the command that shows what was sent, where there is one; `{directory}` is `Sending.directory`.
        ready: what is missing before anything can be sent, with its remedy; None: nothing.
        open: connect.
    """

    key: str
    title: str
    module: str
    look: str
    ready: Callable[[], tuple[str, str] | None]
    open: Callable[[Sending], Sink]


def always_ready() -> None:
    """Nothing but the package is needed."""
    return
