"""A run's log played again: the same fold, at a speed of one's choosing, from any moment.

Time is that of the run: pauses between a stop and a resume are left out.
"""

from __future__ import annotations

import pickle
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir

SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)
AT_MOST = 45.0  # seconds that a replay takes at the speed it begins with
KEYFRAME = 2000  # events from one kept state to the next: what a jump back folds at most
AT_ONCE = 2000  # events folded in one go, so that no key waits for them


@dataclass(slots=True)
class Replay:
    """Give it time with `advance`, or a moment with `seek`; `state` is the run as it was at `at` seconds."""

    events: list[Event]
    times: list[float]  # seconds of the run at each event
    keyframes: list[bytes]  # the state before every `KEYFRAME`th event
    state: RunState = field(default_factory=RunState)
    at: float = 0.0
    speed: int = 1
    playing: bool = True
    place: int = 0  # events that are folded

    @classmethod
    def of(cls, run: RunDir, given_up: Callable[[], bool] = bool) -> Replay:
        """Read and fold a run's log once. UserError where there is none to play."""
        events = EventReader(run.events_path).poll(thin=True)
        if not events:
            raise UserError("there is nothing to replay yet", place=run.name, remedy="start the run first")
        state = RunState()
        times: list[float] = []
        keyframes: list[bytes] = []
        for place, event in enumerate(events):
            if place % KEYFRAME == 0:
                keyframes.append(pickle.dumps(state, pickle.HIGHEST_PROTOCOL))
                if given_up():
                    break
            state.fold(event)
            times.append(state.seconds)
        found = cls(events, times, keyframes)
        found.speed = next((speed for speed in SPEEDS if found.length / speed <= AT_MOST), SPEEDS[-1])
        return found

    @property
    def length(self) -> float:
        """Seconds that the run took so far."""
        return self.times[-1] if self.times else 0.0

    @property
    def over(self) -> bool:
        return self.place >= len(self.times)

    def advance(self, seconds: float) -> list[Event]:
        """Let so much real time pass; returns the events that came, [] while paused."""
        if not self.playing or self.over:
            return []
        return self._fold_to(min(self.length, self.at + seconds * self.speed))

    def seek(self, at: float) -> bool:
        """Go to a moment of the run. Returns True if the state was rebuilt, for a moment in the past."""
        at = max(0.0, min(at, self.length))
        behind = at < self.at
        target = bisect_right(self.times, at)
        if behind or target - self.place > KEYFRAME:
            self.place = target // KEYFRAME * KEYFRAME
            if self.place >= len(self.keyframes) * KEYFRAME:
                self.place -= KEYFRAME
            # Our own bytes, made above in this process: nothing from a file is unpickled.
            self.state = pickle.loads(self.keyframes[self.place // KEYFRAME])
            behind = True
        while self.place < target:
            self._fold_to(at)
        self.at = at
        return behind

    def faster(self, by: int) -> None:
        """The next higher or lower of `SPEEDS`."""
        at = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[max(0, min(at, len(SPEEDS) - 1))]

    def seen(self) -> list[Event]:
        """The events up to now."""
        return self.events[: self.place]

    def _fold_to(self, at: float) -> list[Event]:
        stop = min(bisect_right(self.times, at), self.place + AT_ONCE)
        came = self.events[self.place : stop]
        for event in came:
            self.state.fold(event)
        self.place = stop
        reached = stop == len(self.times) or self.times[stop] > at
        self.at = at if reached else self.times[stop - 1]
        return came
