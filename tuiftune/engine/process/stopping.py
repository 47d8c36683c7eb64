"""Why a run should stop early: a signal, the stop file, or a spent budget.

Asked at step boundaries, never in between.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tuiftune.preset.schema import BudgetSection

SIGNALS = {signal.SIGTERM: "preempted", signal.SIGUSR1: "preempted", signal.SIGINT: "stopped"}


@dataclass(frozen=True, slots=True)
class Stop:
    """A reason to stop. `state` is the end state: stopped or preempted; failed where nothing can be saved any
    more, and then `saves` is False.
    """

    state: str
    why: str
    by: str
    saves: bool = True


class StoppedError(Exception):
    """The run stops here, on request; what it has earned is saved."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        super().__init__(stop.why)


class PausedError(UserError):
    """What the run needs of others is not to be had now: it ends resumable, and says what to do."""


class Stopping:
    """Collects reasons to stop. The first one wins and stays."""

    def __init__(
        self, asked_by: Callable[[], str | None], lost: Callable[[], Stop | None] = lambda: None
    ) -> None:
        """`asked_by` says who left a stop file, or None where there is none; `lost` what became of the
        directory.
        """
        self._asked_by, self._lost = asked_by, lost
        self._stop: Stop | None = None
        self._signal: str | None = None
        self._state = ""
        self._deadline: tuple[float, str] | None = None
        self._began = time.monotonic()

    def listen(self) -> None:
        """Take SIGTERM, SIGUSR1 and SIGINT as requests to stop at the next boundary; ignore a hang-up."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(number).name
        self._state = self._state or SIGNALS[signal.Signals(number)]

    def limit(self, budget: BudgetSection, usd_per_hour: float | None, spent: float) -> None:
        """Stop when the budget is used up.

        `spent`: seconds this run has already used in earlier processes.
        """
        self._began = time.monotonic() - spent
        caps = []
        if budget.max_hours is not None:
            why = f"the limit of {budget.max_hours:g} h was reached; raise it: `tuiftune resume --max-hours`"
            caps.append((budget.max_hours * 3600, why))
        if budget.max_usd is not None and usd_per_hour:
            why = f"the budget of ${budget.max_usd:g} was reached; raise it: `tuiftune resume --max-usd`"
            caps.append((budget.max_usd / usd_per_hour * 3600, why))
        if caps:
            seconds, why = min(caps)
            self._deadline = (time.monotonic() + seconds - spent, why)

    @property
    def spent(self) -> float:
        """Seconds used so far, in earlier processes too."""
        return time.monotonic() - self._began

    def asked(self) -> Stop | None:
        """The reason to stop, once there is one."""
        if self._stop is None:
            self._stop = self._look()
        return self._stop

    def _look(self) -> Stop | None:
        if self._signal is not None:
            return Stop(self._state, f"{self._signal} received", self._signal)
        if lost := self._lost():
            return lost
        if by := self._asked_by():
            return Stop("stopped", f"stop requested by {by}", by)
        if self._deadline and time.monotonic() >= self._deadline[0]:
            return Stop("stopped", self._deadline[1], "budget")
        return None

    def check(self) -> None:
        """Raise StoppedError if the run should stop: for the stretches between training steps."""
        if stop := self.asked():
            raise StoppedError(stop)
