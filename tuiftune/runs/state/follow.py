"""Following a run: its log folded into a state, as often as a view wants to look. Many may follow at once."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import Vitals, vitals
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir


class Follower:
    """One view's own reading of a run: `refresh`, then look at `state`. One thread at a time."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.state = RunState()
        self.reader = EventReader(run.events_path)
        self._generation = 0

    def refresh(self) -> list[Event]:
        """The events that are new (of a long backlog only those that shape the state), folded already."""
        return list(self.each())

    def each(self) -> Iterator[Event]:
        """The same one by one, each as soon as it is folded: `state` is as it was right after it."""
        for _, events in chain(self.reader.catch_up(), [(1.0, [])]):
            if self.reader.generation != self._generation:
                self._generation = self.reader.generation
                self.state = RunState()
            for event in events:
                self.state.fold(event)
                yield event

    def vitals(self) -> Vitals:
        """Whether it runs, and how it ended: a fresh look at the process as well as the log."""
        return vitals(self.run)
