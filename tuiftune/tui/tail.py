"""Follows a run's event log off the event loop and hands over what is new as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.runs.log import EventReader
from tuiftune.runs.state import RunState

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from tuiftune.runs.alive import Vitals
    from tuiftune.runs.directory import RunDir
    from tuiftune.runs.events import Event

POLL_SECONDS = 0.25
VITALS_EVERY = 8  # polls


class Opened(Message):
    """The log as it was found, folded; sent again when the file was replaced. Ownership of `state` goes
    along."""

    def __init__(self, state: RunState, events: list[Event], vitals: Vitals) -> None:
        super().__init__()
        self.state, self.events, self.vitals = state, events, vitals


class Arrived(Message):
    """Events since the last message, oldest first."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__()
        self.events = events


class Seen(Message):
    """How the process stands."""

    def __init__(self, vitals: Vitals) -> None:
        super().__init__()
        self.vitals = vitals

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Seen)


def follow(run: RunDir, target: DOMNode) -> None:
    """Runs in a thread worker until it is cancelled. Posts to `target`, never waits for it."""
    import threading

    from tuiftune.runs.alive import vitals

    worker = get_current_worker()
    wait = threading.Event()
    reader = EventReader(run.events_path)
    generation = -1
    polls = 0
    while not worker.is_cancelled:
        fresh = generation == -1 or reader.generation != generation
        events = reader.poll(thin=fresh)
        if generation == -1 or reader.generation != generation:
            generation = reader.generation
            state = RunState()
            for event in events:
                state.fold(event)
            target.post_message(Opened(state, events, vitals(run)))
        elif events:
            target.post_message(Arrived(events))
            continue
        polls += 1
        if polls % VITALS_EVERY == 0 or any(event.get("type") == "end" for event in events):
            target.post_message(Seen(vitals(run)))
        wait.wait(POLL_SECONDS)
