"""`tuiftune logs`: the output of the training process, made safe to show."""

from __future__ import annotations

import codecs
import re
import sys
import time
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.terminal import say
from tuiftune.documents import opened
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import status
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.3
SPARE = 500  # lines read in excess of those asked for, since noise is left out
# What libraries write for their own developers, as a line begins: nanobind's leak report at every exit of a
# process that used Triton's compiler, and the backends that Liger tries one after the other.
NOISE = (
    "nanobind: ",
    " - leaked ",
    " - ... skipped remainder",
    "See https://nanobind.",
    "Backend impl 'liger_kernel.",
)
TORCH = re.compile(r"W\d{4} [^\n]*[ /]torch/utils/_pytree\.py:")  # of types that torchao registers
LINE = re.compile(r"[^\n]*\n|[^\n]+")
CHUNK = 1024 * 1024
MOST_COUNTED = 4 * CHUNK  # bytes


def show(run: RunDir, *, follow: bool, last: int | None, every: bool = False) -> None:
    """Print engine.log, only the `last` lines if given; with `follow`, until the run ends.

    Lines that libraries write for their own developers are left out, unless `every` line is wanted.
    """
    if paths.gone(run.log_path):
        say(f"{run.name} has no engine.log, because it was never started")
        return
    sieve, printed = Sieve(every=every), False
    with opened(run.log_path) as file:
        if last is not None:
            _seek_last(file, last if every else last + SPARE)
            if paths.size(run.log_path) - file.tell() > MOST_COUNTED:
                _seek_last(file, last)  # lines too long to be counted in memory
            else:
                there = LINE.findall(sieve.of(file) + sieve.rest())
                printed = _print("".join(there[-last:] if last else ""))
        try:
            while True:
                running = follow and status(run) == "running"
                for text in sieve.pieces(file):
                    printed = _print(text) or printed
                if not running:
                    break
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return
        printed = _print(sieve.rest()) or printed
    if not printed and last != 0:
        noise = paths.size(run.log_path) and not every
        more = "holds only what libraries write for their own developers (--all)" if noise else "is empty"
        say(f"{run.name}'s engine.log {more}; `tuiftune report {run.name}` shows what the run did")


class Sieve:
    """Decodes a log a piece at a time, and leaves out the lines of `NOISE`."""

    def __init__(self, *, every: bool) -> None:
        self._every = every
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # a line that is not complete yet

    def pieces(self, file: BinaryIO) -> Iterator[str]:
        """Yield what is there from here on: a line may be as long as the file."""
        while chunk := file.read(CHUNK):
            text = self._held + self._decoder.decode(chunk)
            whole, newline, self._held = text.rpartition("\n")
            if len(self._held) > CHUNK:
                whole, newline, self._held = text, "", ""
            yield self._kept(whole + newline)

    def of(self, file: BinaryIO) -> str:
        """Return all that is there from here on."""
        return "".join(self.pieces(file))

    def rest(self) -> str:
        """Return the last line, where it has no end."""
        held, self._held = self._held, ""
        return self._kept(held)

    def _kept(self, text: str) -> str:
        if self._every:
            return text
        return "".join(line for line in LINE.findall(text) if not _noise(line))


def _noise(line: str) -> bool:
    return line.startswith(NOISE) or TORCH.match(line) is not None


def _print(text: str) -> bool:
    """Print it. Returns whether there was anything."""
    sys.stdout.write(printable(without_secrets(text), lines=True))
    sys.stdout.flush()
    return bool(text)


def _seek_last(file: BinaryIO, count: int) -> None:
    """Seek to the beginning of the last `count` lines."""
    start = end = file.seek(0, 2)
    left = count + (_at(file, max(0, end - 1), 1) == b"\n")  # newlines back from the end
    while count and start:
        size = min(CHUNK, start)
        start -= size
        chunk = _at(file, start, size)
        place = size
        for _ in range(min(left, chunk.count(b"\n"))):
            place, left = chunk.rindex(b"\n", 0, place), left - 1
        if not left:
            file.seek(start + place + 1)
            return
    file.seek(0 if count else end)


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
