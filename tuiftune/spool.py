"""Input from a pipe (`-`, /dev/stdin, `<(…)`, a FIFO): read once, into a file that is read from then on."""

from __future__ import annotations

import atexit
import errno
import os
import select
import shutil
import stat
import tempfile
import time
from pathlib import Path

from tuiftune import paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

STANDARD = "-"  # standard input, as every command understands it
STANDARD_NAMES = (STANDARD, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
CHUNK = 1 << 20
WRITER_SECONDS = 5.0  # that a FIFO is waited for until somebody opens it for writing
LOOK_EVERY = 0.02
_spooled: dict[str, Path] = {}


def is_stream(text: str | os.PathLike[str]) -> bool:
    """Whether it names standard input or a pipe, whose content is there only once."""
    name = os.fspath(text)
    if name == STANDARD or name in _spooled:
        return True
    seen = paths.look(name)
    if seen is None:
        return False
    return stat.S_ISFIFO(seen.st_mode) or (name in STANDARD_NAMES and stat.S_ISSOCK(seen.st_mode))


def regular(path: Path) -> Path:
    """Return the file to read: the path itself, or the copy of the stream that it names.

    Waits until the writer has closed the stream. UserError where it can't be read or kept.
    """
    if not is_stream(path):
        return path
    name = os.fspath(path)
    if name not in _spooled:
        _spooled[name] = _copied(name)
    return _spooled[name]


def copy_of(path: Path) -> Path:
    """Return the copy of a stream that was read before; else the path itself."""
    return _spooled.get(os.fspath(path), path)


def _copied(name: str) -> Path:
    place = "standard input" if name == STANDARD else printable(name)
    if name in STANDARD_NAMES and _endless():
        raise UserError("is a device, which never ends", place=place, remedy="redirect a file or a pipe")
    kept = Path(_directory()) / str(len(_spooled))
    try:
        source, begun = (os.dup(0), b"") if name in STANDARD_NAMES else _opened(name)
        with os.fdopen(source, "rb") as stream, open(kept, "wb") as copy:
            copy.write(begun)
            shutil.copyfileobj(stream, copy, CHUNK)
    except OSError as fault:
        full = fault.errno in paths.FULL
        raise UserError(
            f"cannot be read ({fault.strerror or fault})",
            place=place,
            remedy="point TMPDIR at a disk with free space" if full else "pipe something into it",
            exit_code=ExitCode.DISK_FULL if full else ExitCode.USAGE,
        ) from None
    return kept


def _endless() -> bool:
    """Whether standard input is a device such as /dev/zero: neither a terminal nor /dev/null."""
    seen = os.fstat(0)
    nothing = paths.look(os.devnull)
    ends = os.isatty(0) or (nothing is not None and nothing.st_rdev == seen.st_rdev)
    return stat.S_ISCHR(seen.st_mode) and not ends


def _opened(name: str) -> tuple[int, bytes]:
    """A descriptor of a pipe that somebody writes to, and what was read of it so far.

    Without a writer a read would wait for ever: such a pipe is given up. OSError where it can't be read.
    """
    source = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    until = time.monotonic() + WRITER_SECONDS
    while True:
        try:
            begun = os.read(source, CHUNK)
        except BlockingIOError:  # there is a writer, who has written nothing yet
            begun = b""
            break
        if begun or _ended(source):
            break
        if time.monotonic() > until:
            os.close(source)
            raise OSError(errno.ENXIO, "nobody writes to this pipe")
        time.sleep(LOOK_EVERY)
    os.set_blocking(source, True)
    return source, begun


def _ended(source: int) -> bool:
    """Whether a pipe had a writer, who has closed it."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def _directory() -> str:
    if not _made:
        try:
            _made.append(tempfile.mkdtemp(prefix="tuiftune-"))
        except OSError as fault:
            raise paths.cannot(fault, tempfile.gettempdir(), "write") from None
        atexit.register(_remove, _made[0], os.getpid())
    return _made[0]


def _remove(directory: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked process leaves it to its parent
        shutil.rmtree(directory, ignore_errors=True)


_made: list[str] = []
