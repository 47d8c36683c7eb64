"""A program behind a fence, seen from outside: asked, watched, and ended where it goes beyond its limits."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from tuiftune import interpreter
from tuiftune.errors import ExitCode, UserError
from tuiftune.fence import limits, wire
from tuiftune.fence.limits import Allowance
from tuiftune.fence.marks import WORDS, Marks, Stage
from tuiftune.figures import size as bytes_in_words
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOOK_SECONDS = 0.02
LARGEST_ANSWER = limits.GIB
REMEDY = "use the files that came with the model, or another model"
DIED = {
    signal.SIGSEGV: "overflows its stack or accesses invalid memory (SIGSEGV)",
    signal.SIGABRT: "aborts (SIGABRT)",
    signal.SIGBUS: "accesses invalid memory (SIGBUS)",
    signal.SIGKILL: "was killed, most likely because the machine ran out of RAM",
}


class Asked(Protocol):
    """What answers questions about a thing, fenced or not."""

    def ask(self, function: Callable[..., T], *given: Any, rows: int = 1, size: int = 0) -> T: ...

    def close(self) -> None: ...


class Open:
    """The same without a fence, for what comes with tuiftune itself."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def ask(self, function: Callable[..., T], *given: Any, rows: int = 1, size: int = 0) -> T:
        return function(self._made, *given)

    def close(self) -> None:
        """Nothing to give back."""


class Fence:
    """`make(*given)` made in a process of its own, which goes on answering questions about it.

    Functions are named by their module, results are plain data. Thread-safe: questions come one by one.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        *given: Any,
        place: str,
        allowed: Allowance | None = None,
        wait: bool = True,
    ) -> None:
        """Starts the process, and returns when the thing is made, unless `wait` is called later. UserError as
        `ask` has it; `place` is the model's name or directory.
        """
        self._place = place
        self._lock = threading.Lock()
        self._incoming = wire.Incoming()
        self._fault: UserError | None = None
        self._marks = Marks.new()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
        allowed = allowed or Allowance.of()
        self._process: _Child = self._start((make, given, allowed))
        self._finalizer = weakref.finalize(self, _end, self._process, self._marks, self._said)
        self._baseline = self._inherited()
        if wait:
            self.wait(allowed)

    def wait(self, allowed: Allowance) -> None:
        """Return when the thing is made. UserError as `ask` has it."""
        try:
            self._wait(Allowance(limits.IMPORT_SECONDS, limits.GIB))
            now = limits.usage(self._process.pid)
            self._baseline = now.resident if now else 0
            self._wait(allowed)
        except BaseException:
            self.close()
            raise

    def _start(self, first: Any) -> _Child:
        return _Spawned(self._marks, self._said, first)

    def _inherited(self) -> int:
        """Resident bytes that the process begins with."""
        return 0

    def ask(self, function: Callable[..., T], *given: Any, rows: int = 1, size: int = 0) -> T:
        """`function(thing, *given)`; `rows` and their bytes of text decide how long it may take.

        UserError in one line when the program refuses, fails, or goes beyond its limits; it is ended then,
        and says the same from then on.
        """
        allowed = Allowance.of(rows, size)
        with self._lock:
            if self._fault is not None:
                raise self._fault
            try:
                self._send((function, given, allowed))
                answer: T = self._wait(allowed)
            except BaseException as fault:
                if not isinstance(fault, _RefusedError):
                    self._fault = fault if isinstance(fault, UserError) else None
                    self.close()
                raise
            return answer

    def close(self) -> None:
        """End the process."""
        self._fault = self._fault or UserError("was closed", place=self._place)
        self._finalizer()

    def _send(self, message: Any) -> None:
        try:
            wire.send(self._process.requests, message)
        except BrokenPipeError:
            raise self._ended() from None

    def _wait(self, allowed: Allowance) -> Any:
        """The next answer, for as long as the process keeps to its limits."""
        watched = _Watched(self._process.pid, allowed, self._baseline)
        poll = select.poll()
        poll.register(self._process.answers, select.POLLIN)
        incoming = self._incoming
        while not incoming.whole:
            if poll.poll(LOOK_SECONDS * 1000):
                piece = os.read(self._process.answers, 1 << 20)
                if not piece:
                    raise self._ended()
                incoming.add(piece)
            if incoming.size > LARGEST_ANSWER:
                raise self._fault_of(beyond_memory(allowed))
            if not incoming.size and (what := watched.look(self._marks.read())):
                raise self._fault_of(what)
        kind, told = incoming.take()
        if kind == "refused":
            message, place, remedy, code = told
            raise _RefusedError(message, place=place, remedy=remedy, exit_code=ExitCode(code))
        if kind == "memory":
            raise self._fault_of(beyond_memory(allowed))
        if kind == "failed":
            raise self._fault_of(f"fails: {told}")
        return told

    def _ended(self) -> UserError:
        """Why the process is gone."""
        code = self._process.ended()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip().splitlines()
        if any("memory allocation of" in line or "MemoryError" in line for line in said):
            return self._fault_of(beyond_memory(Allowance.of()))
        if code is not None and code == -signal.SIGXCPU:
            return self._fault_of("takes too long")
        known = {int(number): words for number, words in DIED.items()}
        words = known.get(-code) if code is not None else None
        last = printable(said[-1])[:120] if said else f"its process ended with {code}"
        return self._fault_of(words or f"fails: {last}")

    def _fault_of(self, what: str) -> UserError:
        stage, row, _ = self._marks.read()
        where = f" at row {row:,}" if row else ""
        code = ExitCode.FAILED if stage == Stage.IMPORTS else ExitCode.USAGE
        return UserError(f"{WORDS[stage]} {what}{where}", place=self._place, remedy=REMEDY, exit_code=code)


class _RefusedError(UserError):
    """A refusal that the program itself put into words: it goes on answering."""


class _Watched:
    """A process over the time of one answer."""

    def __init__(self, pid: int, allowed: Allowance, baseline: int) -> None:
        self._pid, self._allowed, self._baseline = pid, allowed, baseline
        now = limits.usage(pid)
        self._began = self._at = (time.monotonic(), now.cpu if now else 0.0)
        self._mark: tuple[Stage, int, int] | None = None

    def look(self, mark: tuple[Stage, int, int]) -> str:
        """What it does beyond its limits: those of a row since the last mark, or of the whole answer."""
        used = limits.usage(self._pid)
        if used is None:  # gone: its last word comes, or the end of the pipe
            return ""
        if used.resident - self._baseline > self._allowed.memory:
            return beyond_memory(self._allowed)
        now = (time.monotonic(), used.cpu)
        if mark != self._mark:
            self._mark, self._at = mark, now
        if _late(self._began, now, self._allowed.seconds):
            return f"takes more than {self._allowed.seconds:.0f} s"
        if mark[0] == Stage.TEMPLATE and _late(self._at, now, limits.ROW_SECONDS):
            return f"takes more than {limits.ROW_SECONDS:.0f} s"
        return ""


def _late(since: tuple[float, float], now: tuple[float, float], allowed: float) -> bool:
    return limits.late(now[0] - since[0], now[1] - since[1], allowed)


def beyond_memory(allowed: Allowance) -> str:
    return f"takes more than {bytes_in_words(allowed.memory)} of memory"


class _Child(Protocol):
    pid: int
    requests: int
    answers: int

    def ended(self) -> int | None: ...

    def kill(self) -> None: ...


class _Spawned:
    """A fresh interpreter: whatever threads this process has, and whatever locks they hold, don't matter."""

    def __init__(self, marks: Marks, said: IO[bytes], first: Any) -> None:
        words = interpreter.command("tuiftune.fence.worker", str(marks.descriptor))
        self._process = interpreter.start(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, keep=(marks.descriptor,)
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.requests, self.answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        with suppress(BrokenPipeError):  # it has ended already: the first answer will tell
            wire.send(self.requests, first)

    def ended(self) -> int | None:
        """The exit code of a process whose last word has been read."""
        try:
            return self._process.wait(5)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


def _end(process: _Child, marks: Marks, said: IO[bytes]) -> None:
    process.kill()
    marks.close()
    said.close()
