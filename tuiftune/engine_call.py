"""Jobs of the engine: the only place that names its process, and calls that return a document.

It is below everything that calls it (models and data do). Jobs that hold a run are submitted through `jobs`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from tuiftune import interpreter
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ENGINE = "tuiftune.engine"
Kind = Literal[
    "train",
    "tokens",
    "tokenizer",
    "describe",
    "score",
    "answer",
    "chat",
    "serve",
    "export",
    "convert",
    "bertscore",
    "embed",
]
POLL_SECONDS = 0.05
LONGEST = 300  # characters of the engine's last line


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the engine. `run` is the directory that it holds; None for a job that returns a document."""

    kind: Kind
    arguments: tuple[str, ...] = ()
    run: Path | None = None

    def command(self) -> list[str]:
        """Return its command line."""
        run = [] if self.run is None else [str(self.run)]
        return interpreter.command(ENGINE, self.kind, *run, *self.arguments)


def holds(words: Sequence[bytes], run: Path) -> bool:
    """Return True if a process with this command line is an engine that holds the run."""
    if b"-m" not in words:
        return False
    module, _, *holding = [*words[words.index(b"-m") + 1 :], b"", b""]
    return module == ENGINE.encode() and holding[:1] == [os.fsencode(run)]


def ask(
    job: Job,
    *,
    within: float | None = None,
    late: UserError | None = None,
    given_up: Callable[[], bool] | None = None,
    place: str = "",
) -> bytes | None:
    """Return the standard output of a job; None if it was canceled.

    Blocks for some seconds, because the engine imports its libraries first. If it fails, raises UserError
    with the engine's error line and exit code, and `place`; if it takes more than `within` seconds, `late`.
    """
    until = None if within is None else time.monotonic() + within
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = interpreter.start(job.command(), stdout=out, stderr=err, session=True)
        try:
            while process.poll() is None:
                if given_up is not None and given_up():
                    return None
                if until is not None and time.monotonic() > until:
                    raise late or UserError(f"the engine took more than {within:g} s", place=place)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise refusal(err.read().decode("utf-8", "replace"), process.returncode, place)
        return out.read()


class Conversation:
    """A job that keeps answering requests: a JSON line each way. To be closed, which ends its process."""

    def __init__(self, job: Job, place: str) -> None:
        """Start the process. It says nothing before its libraries are imported: some seconds."""
        self._place = place
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
        self._process = interpreter.start(
            job.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, session=True
        )

    def send(self, document: dict[str, Any]) -> None:
        """Send a request. UserError with the engine's own line if its process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None

    def receive(self) -> dict[str, Any]:
        """Wait for the next line. UserError with the engine's own line if its process has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        document: dict[str, Any] = json.loads(line)  # raw: the engine wrote it
        return document

    def close(self) -> None:
        """End the process, from any thread: one that waits in `receive` holds the pipe until it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._said.close()

    def _ended(self) -> UserError:
        code = self._process.wait()
        self._said.seek(0)
        return refusal(self._said.read().decode("utf-8", "replace"), code, self._place)


def follow(job: Job, tell: Callable[[dict[str, Any]], None], *, place: str = "") -> dict[str, Any]:
    """Run a job that writes one JSON object a line: `tell` gets each as it comes, the last is returned.

    The job ends with this process's interest in it. UserError with the engine's own line and exit code, and
    the `place`, where it refuses.
    """
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as err:
        process = interpreter.start(job.command(), stdout=subprocess.PIPE, stderr=err, session=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = json.loads(line)  # raw: by our own engine
                tell(last)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
        if process.returncode != 0:
            err.seek(0)
            raise refusal(err.read().decode("utf-8", "replace"), process.returncode, place)
    return last


def refusal(said: str, code: int, place: str) -> UserError:
    """What an engine that ended with `code` said last, as the fault that it told of."""
    lines = said.strip().splitlines()
    known = {int(known) for known in ExitCode}
    message = (
        printable(lines[-1].removeprefix("error: "))[:LONGEST] if lines else f"the engine exited with {code}"
    )
    exit_code = ExitCode(code) if code in known else ExitCode.FAILED
    return UserError(message, place=place, exit_code=exit_code)
