"""Looks, off the event loop, at what lies beside a run's event log: its plan, its checkpoints, its
answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.runs.store import checkpoints, samples

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.store.checkpoints import Stored
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.samples import Generations

POLL_SECONDS = 0.25  # how soon it notices that it is cancelled
LOOK_EVERY = 8  # polls


@dataclass
class Beside(Message):
    """What was found, whenever it differs from before."""

    planned: Planned
    stored: tuple[Stored, ...]
    generated: Generations


def look(run: RunDir, target: DOMNode) -> None:
    """Runs in a thread worker until it is cancelled. A budget may be raised and a checkpoint dropped at any
    time, so it looks again and again."""
    import threading

    worker = get_current_worker()
    wait = threading.Event()
    before: tuple[Planned, tuple[Stored, ...], Generations] | None = None
    size, generated = -1, samples.NONE
    polls = 0
    while not worker.is_cancelled:
        polls += 1
        if (polls - 1) % LOOK_EVERY:
            wait.wait(POLL_SECONDS)
            continue
        if (there := samples.size(run)) != size:
            size, generated = there, samples.read(run)
        found = run.planned(), checkpoints.stored(run), generated
        if found != before:
            before = found
            target.post_message(Beside(*found))
        wait.wait(POLL_SECONDS)
