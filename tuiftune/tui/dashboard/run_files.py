"""Reads, off the event loop, the files of a run other than its event log: plan, checkpoints, answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.runs.store import checkpoints, samples
from tuiftune.runs.store.companions import Watched

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.store.checkpoints import Stored
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.samples import Generations

POLL_SECONDS = 0.25  # delay until the end of the worker is noticed
LOOK_EVERY = 8  # polls


@dataclass
class Beside(Message):
    """The files' content, sent when it has changed."""

    planned: Planned
    stored: tuple[Stored, ...]
    generated: Generations


@dataclass
class Companions(Message):
    """What is new of the processes that copy the run or send its metrics: one fails, or works again."""

    lines: list[str]


def look(run: RunDir, target: DOMNode) -> None:
    """Read the files repeatedly, in a thread worker, until it ends.

    A budget may be raised and a checkpoint deleted at any time.
    """
    import threading

    worker = get_current_worker()
    wait = threading.Event()
    before: tuple[Planned, tuple[Stored, ...], Generations] | None = None
    size, generated = -1, samples.NONE
    polls, companions = 0, Watched(run)
    while not worker.is_cancelled:
        polls += 1
        if (polls - 1) % LOOK_EVERY:
            wait.wait(POLL_SECONDS)
            continue
        if (there := samples.size(run)) != size:
            size, generated = there, samples.read(run)
        if lines := companions.look():
            target.post_message(Companions(lines))
        found = run.planned(), checkpoints.stored(run), generated
        if found != before:
            before = found
            target.post_message(Beside(*found))
        wait.wait(POLL_SECONDS)
