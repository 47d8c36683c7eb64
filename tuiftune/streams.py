"""The standard streams: always present, without secrets, with one error line if they cannot be written."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

FULL = (errno.ENOSPC, errno.EDQUOT)


class Discreet:
    """A text stream that lets no token through: libraries print what they fail with, tracebacks as well."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(without_secrets(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Shown(Discreet):
    """The same, shown as text: what libraries print holds names and messages that came from elsewhere."""

    def write(self, text: str) -> int:
        self._stream.write(printable(without_secrets(text), lines=True))
        return len(text)


class Asked(Discreet):
    """What a command was asked for. UserError where it can't be written; a reader that went away raises
    BrokenPipeError.
    """

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as fault:
            raise _unwritable(fault) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as fault:
            raise _unwritable(fault) from None


class Told(Discreet):
    """What is said to a person: where nobody can be told, the command goes on."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            return


def take_over() -> None:
    """Of a process that begins: closed streams are opened, or a file opened later would take their place."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            # Standard output for reading only, so that writing to it fails as it would on a closed one.
            os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", errors="replace", closefd=False))
            setattr(sys, f"__{name}__", getattr(sys, name))
    sys.stdout = cast("TextIO", Asked(sys.stdout))
    sys.stderr = cast("TextIO", Told(sys.stderr))


def give_up_output() -> None:
    """After output that could not be written: Python would try again at its exit, and complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        try:
            (sys.__stdout__ if descriptor == 1 else sys.__stderr__).flush()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            os.dup2(nothing, descriptor)
    os.close(nothing)


def _unwritable(fault: OSError) -> Exception:
    if isinstance(fault, BrokenPipeError):
        return fault
    closed = fault.errno == errno.EBADF
    return UserError(
        "is closed" if closed else f"cannot be written ({fault.strerror})",
        place="standard output",
        remedy="redirect it to a file, or to /dev/null" if closed else "write to another disk",
        exit_code=ExitCode.DISK_FULL if fault.errno in FULL else ExitCode.FAILED,
    )
