"""Follows a run's event log off the event loop, and posts new events as messages."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.runs.log.lines import first_and_last
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.worker import Worker

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
VITALS_EVERY = 8  # polls
EVENTS_A_MESSAGE = 250  # folded by the event loop in a few milliseconds
TOLD_EVERY = 0.25  # seconds between two messages on how much of a long log is read


@dataclass
class Opened(Message):
    """The log as it was found, folded; sent again when the file was replaced. Ownership of `state` goes
    along.

    Below 1, `share` is how much of a long log was read: `state` knows its first and its last events only.
    """

    state: RunState
    events: list[Event]
    vitals: Vitals
    share: float = 1.0


@dataclass
class Reading(Message):
    """How much of a long log was read by now, 0–1."""

    share: float

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Reading)


@dataclass
class Arrived(Message):
    """Events since the last message, oldest first."""

    events: list[Event]


@dataclass
class Seen(Message):
    """How the process stands."""

    vitals: Vitals

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Seen)


def follow(run: RunDir, target: DOMNode) -> None:
    """Follow a run, in a thread worker, until it is canceled. Posts to `target` and never waits for it."""
    from tuiftune.runs.state.liveness import vitals

    tail = _Tail(run, target, get_current_worker())
    threading.Thread(target=_attend, args=(run,), daemon=True).start()
    wait = threading.Event()
    polls = 0
    while not tail.worker.is_cancelled:
        events = tail.look()
        polls += 1
        if polls % VITALS_EVERY == 0 or any(event.get("type") == "end" for event in events):
            target.post_message(Seen(vitals(run)))
        wait.wait(POLL_SECONDS)


def _attend(run: RunDir) -> None:
    """Have a run of another machine brought up to date."""
    from tuiftune.jobs.backend import attend

    with suppress(UserError):  # the view shows what is here; `vitals` says why nothing comes
        attend(run)


class _Tail:
    """One view's reading of a log."""

    def __init__(self, run: RunDir, target: DOMNode, worker: Worker[None]) -> None:
        self.worker = worker
        self._run = run
        self._target = target
        self._reader = EventReader(run.events_path)
        self._generation = -1

    def look(self) -> list[Event]:
        """Hand over what is new, and return it."""
        from tuiftune.runs.state.liveness import vitals

        state: RunState | None = None
        found: list[Event] = []
        told = 0.0
        parts = self._reader.catch_up()
        for share, events in parts:
            if self.worker.is_cancelled:
                parts.close()
                return []
            if self._reader.generation != self._generation:
                self._generation = self._reader.generation
                state, found = RunState(), []
            found += events
            if state is None:
                self._pass_on(events)
                continue
            for event in events:
                state.fold(event)
            if share < 1.0 and time.monotonic() - told > TOLD_EVERY:
                if not told:
                    self._show_ends(share)
                told = time.monotonic()
                self._target.post_message(Reading(share))
        if self._generation == -1 or self._reader.generation != self._generation:
            self._generation = self._reader.generation
            state = RunState()  # nothing is there yet, or not any more
        if state is not None:
            self._target.post_message(Opened(state, found, vitals(self._run)))
        return found

    def _show_ends(self, share: float) -> None:
        from tuiftune.runs.state.liveness import vitals

        state, events = RunState(), first_and_last(self._run.events_path)
        for event in events:
            state.fold(event)
        self._target.post_message(Opened(state, events, vitals(self._run), share))

    def _pass_on(self, events: list[Event]) -> None:
        for start in range(0, len(events), EVENTS_A_MESSAGE):
            self._target.post_message(Arrived(events[start : start + EVENTS_A_MESSAGE]))
