"""What the engine says while it works: events, and nothing else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuiftune.runs.log.writer import EventWriter, Silence

PROGRESS_EVERY = 0.25  # seconds between two progress reports of one phase


class Report:
    """The event log with the engine's place in the story. Safe to use from several threads."""

    def __init__(self, writer: EventWriter | Silence) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._progress_at = 0.0
        self.step = 0
        self.phase_name = "starting"
        self.moved = 0  # phases entered and progress reported
        self.warned: set[str] = set()

    def emit(self, kind: str, /, **payload: Any) -> None:
        with self._lock:
            self._writer.emit(kind, **payload)

    def phase(
        self, name: str, detail: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        """Enter a phase, or report progress in it.

        Progress within a phase is thinned to a few reports a second.
        """
        self.moved += 1
        now = time.monotonic()
        last = total is not None and done == total
        if name == self.phase_name and done and not last and now - self._progress_at < PROGRESS_EVERY:
            return
        self.phase_name, self._progress_at = name, now
        self.emit("phase", name=name, detail=detail, done=done, total=total)

    def warning(self, code: str, message: str, remedy: str = "") -> None:
        self.warned.add(code)
        self.emit("warning", code=code, message=message, remedy=remedy)

    def heartbeat(self) -> None:
        self.emit("heartbeat", step=self.step, phase=self.phase_name)
