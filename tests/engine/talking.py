"""A chat's process forked from the warm parent, in the place of one that is started afresh."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

_numbers = itertools.count()


class Forked:
    """What the session uses of a Popen, over named pipes."""

    def __init__(self, engine: Engine, words: list[str], stderr: IO[bytes], scratch: Path) -> None:
        number = next(_numbers)
        pipes = scratch / f"in-{number}", scratch / f"out-{number}"
        for pipe in pipes:
            os.mkfifo(pipe)
        self._parent, self._code = engine.parent, None
        self._said, self._stderr = scratch / f"said-{number}", stderr
        given = words[words.index("tuiftune.engine") + 1 :]
        self.pid = engine.parent.start([given], self._said, pipes=pipes)
        self.stdin: IO[bytes] = pipes[0].open("wb")
        self.stdout: IO[bytes] = pipes[1].open("rb")

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._parent.poll(self.pid)
            if self._code is not None:
                self._stderr.write(self._said.read_bytes())
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        until = time.monotonic() + (60 if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("chat", timeout or 60)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def starting(engine: Engine, scratch: Path) -> Any:
    """What `interpreter.start` is replaced by."""

    def start(words: list[str], *, stderr: IO[bytes], **_: Any) -> Forked:
        return Forked(engine, list(words), stderr, scratch)

    return start
