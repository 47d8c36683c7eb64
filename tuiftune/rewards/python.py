"""A function in a Python file, which runs in a process of its own with a time limit."""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, interpreter, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.rewards.base import Reward

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.rewards.base import Asked, Score

WORKER = "tuiftune.rewards.worker"
SECONDS = 10.0  # for one answer, where the preset does not say
SHOWN = 200  # characters of what a file said


class PythonFile:
    """The process that scores answers, started when first asked and again after a fork."""

    def __init__(self, file: Path, seconds: float, place: str) -> None:
        self._file, self._seconds, self._place = file, seconds, f"{place}: {printable(str(file))}"
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def __call__(self, asked: Sequence[Asked]) -> list[float]:
        return [self._one(one) for one in asked]

    def close(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._process = None

    def _one(self, asked: Asked) -> float:
        document = {"prompt": asked.prompt, "answer": asked.answer, "reference": asked.reference}
        found = self._ask(json.dumps(document).encode() + b"\n")
        if fault := found.get("fault"):
            raise UserError(
                f"the reward failed: {printable(str(fault))[:SHOWN]}",
                place=self._place,
                remedy="correct the file: reward(prompt, answer, reference) returns a number",
            )
        value = found.get("value")
        if isinstance(value, bool):
            return float(value)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(
                f"the reward is {printable(json.dumps(value))[:SHOWN]}, not a finite number",
                place=self._place,
                remedy="return a float, such as 0.0 or 1.0",
            )
        return float(value)

    def _ask(self, line: bytes) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = self._line(process, time.monotonic() + self._seconds)
        except BrokenPipeError:
            answer = b""
        if not answer:
            self.close()
            return {"fault": "its process ended"}
        try:
            found = documents.loads(answer)
        except ValueError as fault:  # such as an integer of 400 digits
            return {"fault": f"its answer cannot be read: {fault}"}
        return found if isinstance(found, dict) else {"fault": "it printed to its answer"}

    def _line(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        """One line of the process. UserError if it does not come in time."""
        assert process.stdout is not None
        held = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not held.endswith(b"\n"):
                if not selector.select(max(0.0, until - time.monotonic())):
                    self.close()
                    raise UserError(
                        f"the reward took longer than {self._seconds:g} s for one answer",
                        place=self._place,
                        remedy="make it faster, or raise its seconds",
                    )
                part = os.read(process.stdout.fileno(), 1 << 16)
                if not part:
                    return b""
                held += part
        return held

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                interpreter.command(WORKER, str(self._file)),
                env=interpreter.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._file.parent,
                bufsize=0,
            )
        return self._process


def _make(given: Mapping[str, Any], place: str) -> Score:
    file = paths.absolute(str(given["path"]))
    if not paths.is_file(file):
        raise UserError(f"there is no file {printable(str(given['path']))}", place=place, remedy="name it")
    seconds = given.get("seconds", SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 600:
        raise UserError("seconds has to be above 0, and at most 600", place=place, remedy="write seconds: 10")
    return PythonFile(Path(file), float(seconds), place)


PYTHON = Reward(
    "python",
    60,
    "what reward(prompt, answer, reference) in a Python file returns, in a process with a time limit",
    _make,
    {"path": "the file", "seconds": f"for one answer ({SECONDS:g})"},
    needs=("path",),
    tried=True,
)
