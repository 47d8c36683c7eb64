"""Writing results: `-` is standard output, pipes and devices are written directly, files atomically."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tuiftune import paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD = "-"  # standard output, as every command understands it
MODE = 0o664  # of a new file, less the umask
_DESCRIPTORS = "fd"  # the directory of a process's open files under /proc and /dev


class Output:
    """One output that is being written through `file`, a binary stream.

    A regular or new file is staged next to the target and replaces it at `commit`; symbolic links are
    followed, and the target keeps its permissions. Anything else (standard output, a pipe, a device, a file
    that this process has open) is written directly, and `commit` only flushes. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._staged: Path | None = None
        descriptor = _stream(path)
        if descriptor is not None:
            self.file: BinaryIO = os.fdopen(descriptor, "wb")
            return
        self._target = Path(os.path.realpath(path))
        if os.path.isdir(self._target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, staged = tempfile.mkstemp(dir=self._target.parent, prefix=f".{self._target.name[:100]}.")
        self._staged = Path(staged)
        self.file = os.fdopen(handle, "wb")

    def settle(self) -> None:
        """Bring all that was written to the disk, where it may not fit; the target is still unchanged."""
        self.file.flush()
        if self._staged is not None:
            os.fsync(self.file.fileno())

    def commit(self) -> None:
        """Put the file in its place, or flush the stream."""
        self.settle()
        if self._staged is not None:
            _keep_access(self.file.fileno(), self._target)
        self.file.close()
        if self._staged is not None:
            os.replace(self._staged, self._target)
            self._staged = None

    def abandon(self) -> None:
        """Delete the staged file. What was written to a stream cannot be undone."""
        with suppress(OSError):
            self.file.close()
        if self._staged is not None:
            self._staged.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary stream whose content becomes the output at the end, unless there was an error.

    Raises UserError if it cannot be written; an existing file is then not changed.
    """
    output = None
    try:
        output = Output(path)
        yield output.file
        output.commit()
    except OSError as fault:
        raise unwritable(path, fault) from None
    finally:
        if output is not None:
            output.abandon()


def keep_apart(outputs: Iterable[Path | None], sources: Iterable[Path | str | None]) -> None:
    """Raise UserError if an output is one of the files that are read, or is named twice."""
    read = [Path(one) for one in sources if one is not None and paths.is_file(Path(one))]
    seen: list[Path] = []
    for output in outputs:
        if output is None or str(output) == STANDARD:
            continue
        if paths.is_file(output) and any(output.samefile(one) for one in read):
            raise UserError(
                "is read by this command, which would replace it",
                place=printable(str(output)),
                remedy="write to another file",
            )
        if paths.absolute(output) in seen:
            raise UserError("is named twice", place=printable(str(output)), remedy="write to another file")
        seen.append(paths.absolute(output))


def is_stream(path: Path) -> bool:
    """Return True if an output is not a regular file, so that no file may be written next to it.

    Raises UserError if it cannot be accessed.
    """
    try:
        return _open_file(path) is not None or _is_special(path)
    except OSError as fault:
        raise unwritable(path, fault) from None


def unwritable(path: Path, fault: OSError) -> UserError:
    """Return the error as a UserError, with exit code 7 if the disk or the quota is full."""
    full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(fault, BrokenPipeError) and str(path) == STANDARD:
        raise fault  # the reader of standard output closed it; `main` handles this for every command
    if isinstance(fault, IsADirectoryError):
        remedy = "name a file in it"
    else:
        remedy = "free some disk space" if full else "choose another place"
    return UserError(
        f"cannot be written ({fault.strerror or fault})",
        place="standard output" if str(path) == STANDARD else printable(str(path)),
        remedy=remedy,
        exit_code=ExitCode.DISK_FULL if full else ExitCode.USAGE,
    )


def _stream(path: Path) -> int | None:
    """Return a descriptor to write to if the path names a stream, else None. A pipe waits for its reader."""
    number = _open_file(path)
    if number is not None:
        return os.dup(number)
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY) if _is_special(path) else None


def _is_special(path: Path) -> bool:
    """Return True if the path exists and is neither a regular file nor a directory."""
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _open_file(path: Path) -> int | None:
    """Return the descriptor of this process that `-`, /dev/stdout or /proc/self/fd/3 means; else None."""
    if str(path) == STANDARD:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        return 1
    here = os.path.abspath(path)  # raw: OSError is told
    for _ in range(40):  # as many links as the kernel follows
        parent, name = os.path.split(here)
        inside = os.path.realpath(parent) in (f"/proc/{os.getpid()}/{_DESCRIPTORS}", f"/dev/{_DESCRIPTORS}")
        if inside and name.isdecimal():
            return int(name)
        try:
            here = os.path.join(os.path.realpath(parent), os.readlink(here))
        except OSError:
            return None
    return None


def _keep_access(descriptor: int, target: Path) -> None:
    """Give a staged file the permissions, and if allowed the owner, of the file that it replaces."""
    try:
        there = os.stat(target)
    except FileNotFoundError:
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(descriptor, MODE & ~umask)
        return
    with suppress(OSError):
        os.fchown(descriptor, there.st_uid, there.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(there.st_mode))
