"""Checks of paths as users write them, which never raise.

`pathlib` raises from `exists`, `is_dir` and `is_file` for a directory without permission, a name that is too
long or a dead mount, from `expanduser` for an unknown user, and from `resolve` and `cwd` if the working
directory was deleted. Here a predicate returns False for all of these. `require` is for a path that must
exist, and reports why it cannot be used.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

LONGEST = 4096  # bytes of a path that Linux accepts, and characters of one that is shown
MOST_BELOW = 100_000  # files below one directory: more are a whole disk rather than a dataset
GONE = (errno.ENOENT, errno.ENOTDIR)
FULL = (errno.ENOSPC, errno.EDQUOT)
_WHY = {
    errno.ENOENT: ("no such file", "check the path"),
    errno.ENOTDIR: ("part of this path is not a directory", "check the path"),
    errno.EISDIR: ("is a directory", "name a file in it"),
    errno.EROFS: ("the file system is read-only", "use another place"),
    errno.ENOSPC: ("the disk is full", "free some space, or use another disk"),
    errno.EDQUOT: ("the disk quota is exceeded", "free some space, or use another disk"),
    errno.ENAMETOOLONG: ("the name is too long", "use a shorter name"),
    errno.ELOOP: ("its symbolic links form a loop", "fix the link, or name its target"),
    errno.ESTALE: ("its disk is no longer mounted (stale file handle)", "mount it again"),
    errno.EIO: ("its disk does not respond (input/output error)", "check the disk, or use another"),
    errno.ENOTCONN: ("its disk is no longer connected", "mount it again"),
    errno.EHOSTDOWN: ("the host of its disk is down", "mount it again"),
    errno.ENXIO: ("is a device or a pipe without a reader or writer", "name a regular file"),
}


def given(text: str | os.PathLike[str]) -> Path:
    """Return the path that a user wrote, with `~` replaced.

    Raises UserError for an unknown user, and for characters that a path cannot contain.
    """
    written = os.fspath(text)
    try:
        os.fsencode(written)
    except UnicodeEncodeError:
        raise UserError(
            "contains characters that a path cannot contain", place=_shown(written), remedy="check the path"
        ) from None
    if "\0" in written:
        raise UserError("contains a zero byte", place=_shown(written), remedy="check the path")
    expanded = os.path.expanduser(written)
    if written.startswith("~") and expanded == written and not os.path.lexists(written):
        user = written.split("/")[0]
        raise UserError(
            f"there is no user {_shown(user[1:])}"
            if len(user) > 1
            else "the home directory is unknown ($HOME)",
            place=_shown(written),
            remedy=f"if the name starts with ~, write ./{_shown(written)}",
        )
    return Path(expanded)


def absolute(text: str | os.PathLike[str]) -> Path:
    """Return the absolute path, with `~` replaced and links unchanged.

    Raises UserError if it is unknown, because the working directory was deleted.
    """
    path = given(text)
    return Path(os.path.normpath(path if path.is_absolute() else here() / path))


def here() -> Path:
    """Return the working directory. Raises UserError if it was deleted."""
    try:
        return Path(os.getcwd())
    except OSError as fault:
        raise UserError(
            f"cannot be found ({fault.strerror})",
            place="the working directory",
            remedy="it was deleted or unmounted; `cd` to another directory",
        ) from None


def from_here(path: str | os.PathLike[str]) -> str:
    """Return the path relative to the working directory if it is below it, else unchanged."""
    try:
        seen = os.path.relpath(path)
    except (OSError, ValueError):  # the working directory was deleted
        return os.fspath(path)
    return os.fspath(path) if seen.startswith(os.pardir) else seen


def followed(path: Path) -> Path:
    """Return the path with its links resolved; unchanged if they cannot be."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path


def state_home() -> Path:
    """Return the directory for this program's state: `$XDG_STATE_HOME/tuiftune`."""
    kept = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(kept) / "tuiftune"


def exists(path: str | os.PathLike[str]) -> bool:
    """Return True if the path exists and is accessible; False for a broken link."""
    return os.path.exists(path)


def names_one(text: str) -> bool:
    """Return True if the typed text, with `~` replaced, is an existing path."""
    return os.path.exists(os.path.expanduser(text))


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Return True if the path is an accessible directory."""
    return os.path.isdir(path)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return True if the path is an accessible regular file."""
    return os.path.isfile(path)


def gone(path: str | os.PathLike[str]) -> bool:
    """Return True if the path certainly does not exist; False if it is inaccessible or unmounted."""
    try:
        os.lstat(path)
    except OSError as fault:
        return fault.errno in GONE
    except ValueError:
        return True
    return False


def size(path: str | os.PathLike[str]) -> int:
    """Return the bytes of a file; 0 if it is not accessible."""
    seen = look(path)
    return seen.st_size if seen else 0


def modified(path: str | os.PathLike[str]) -> float | None:
    """Return when it was last modified, in UTC seconds; None if it is not accessible."""
    seen = look(path)
    return seen.st_mtime if seen else None


def look(path: str | os.PathLike[str]) -> os.stat_result | None:
    """Return the status of a path, links followed; None if it is not accessible."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def entries(folder: Path) -> list[Path]:
    """Return the entries of a directory, by name; [] if it is not readable."""
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return the entries of a directory that match a pattern, by name; [] if it is not readable."""
    return [path for path in entries(folder) if path.match(pattern)]


def below(folder: Path, hidden: tuple[str, ...] = (".",)) -> list[Path]:
    """Return the regular files below a directory, by name, without names that start with `hidden`.

    Raises UserError if a directory is not readable, or if there are too many files.
    """
    found: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(hidden))
        seen += len(folders) + len(names)
        if seen > MOST_BELOW:
            raise UserError(
                f"contains more than {MOST_BELOW:,} files",
                place=_shown(folder),
                remedy="name one of its directories",
            )
        inside = (Path(place, name) for name in names if not name.startswith(hidden))
        found += (path for path in inside if is_file(path))
    return sorted(found)


def _raise(fault: OSError) -> None:
    raise cannot(fault, fault.filename or "", "read")


def require(path: Path, *, missing: str = "no such file", remedy: str = "check the path") -> os.stat_result:
    """Return the status of a path, links followed.

    Raises UserError with `missing` and `remedy` if it does not exist, or with the reason if it is not
    accessible.
    """
    try:
        return os.stat(path)
    except FileNotFoundError:
        raise UserError(missing, place=_shown(path), remedy=remedy) from None
    except (OSError, ValueError) as fault:
        raise cannot(fault, path, "read") from None


def trouble(path: Path) -> str:
    """Return why a path is not accessible; "" if it is."""
    try:
        require(path)
    except UserError as fault:
        return fault.message
    return ""


def cannot(fault: OSError | ValueError, path: str | os.PathLike[str], verb: str) -> UserError:
    """Return the UserError for a path that cannot be read or written; a full disk has its own exit code."""
    number = getattr(fault, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        why = (f"no permission to {verb} it", "change its permissions, or use another path")
    elif number == errno.ENOENT and verb == "write":
        why = ("its directory does not exist", "create the directory first")
    elif number is None:
        why = ("is not a valid path" if isinstance(fault, ValueError) else str(fault), "check the path")
    else:
        why = _WHY.get(
            number, (f"cannot be {'read' if verb == 'read' else 'written'} ({os.strerror(number)})", "")
        )
    return UserError(
        printable(why[0]),
        place=_shown(path),
        remedy=why[1],
        exit_code=ExitCode.DISK_FULL if number in FULL else ExitCode.USAGE,
    )


def check_appendable(path: Path, mode: int = 0o777) -> None:
    """Raise UserError unless lines can be added to the file, which need not exist yet.

    `mode` is that of its directory, which is created.
    """
    there = os.path.lexists(path)
    try:
        path.parent.mkdir(mode=mode, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666))
        if not there:
            os.unlink(path)
    except (OSError, ValueError) as fault:
        raise cannot(fault, path, "write") from None


def _shown(path: str | os.PathLike[str]) -> str:
    text = printable(os.fspath(path))
    return text if len(text) <= 200 else f"{text[:120]}…{text[-60:]}"
