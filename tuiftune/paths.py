"""Paths as people write them, looked at without surprises: a look answers, it never raises.

`pathlib` raises from `exists`, `is_dir` and `is_file` for a directory that is shut, a name that is too long
or a mount that died, from `expanduser` for an unknown user, and from `resolve` and `cwd` where the working
directory was deleted. Here a predicate answers False for all of these; what must be there is asked for with
`require`, which says why it can't be had.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

LONGEST = 4096  # bytes of a path that Linux takes, and characters of one that is ever shown
MOST_BELOW = 100_000  # files below one directory: more are no data set, but a disk
GONE = (errno.ENOENT, errno.ENOTDIR)
FULL = (errno.ENOSPC, errno.EDQUOT)
_WHY = {
    errno.ENOENT: ("no such file", "check the path"),
    errno.ENOTDIR: ("a part of the path is no directory", "check the path"),
    errno.EISDIR: ("is a directory", "name a file in it"),
    errno.EROFS: ("the file system is read-only", "use another place"),
    errno.ENOSPC: ("the disk is full", "free some space, or use another disk"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or use another disk"),
    errno.ENAMETOOLONG: ("the name is too long", "use a shorter one"),
    errno.ELOOP: ("its links lead in a circle", "mend the link, or name its target"),
    errno.ESTALE: ("its disk is no longer mounted (stale file handle)", "mount it again"),
    errno.EIO: ("its disk does not answer (input/output error)", "check the disk, or use another"),
    errno.ENOTCONN: ("its disk is no longer connected", "mount it again"),
    errno.EHOSTDOWN: ("the host of its disk is down", "mount it again"),
    errno.ENXIO: ("is a device or a pipe that nobody serves", "name a regular file"),
}


def given(text: str | os.PathLike[str]) -> Path:
    """The path that somebody wrote, `~` replaced. UserError for an unknown user, and for what no path can
    hold.
    """
    written = os.fspath(text)
    try:
        os.fsencode(written)
    except UnicodeEncodeError:
        raise UserError(
            "holds characters that no path can", place=_shown(written), remedy="check the path"
        ) from None
    if "\0" in written:
        raise UserError("holds a zero byte, as no path can", place=_shown(written), remedy="check the path")
    expanded = os.path.expanduser(written)
    if written.startswith("~") and expanded == written and not os.path.lexists(written):
        user = written.split("/")[0]
        raise UserError(
            f"there is no user {_shown(user[1:])}"
            if len(user) > 1
            else "the home directory isn't known ($HOME)",
            place=_shown(written),
            remedy=f"write ./{_shown(written)} where the name begins with a ~",
        )
    return Path(expanded)


def absolute(text: str | os.PathLike[str]) -> Path:
    """The path from the root on, `~` replaced, links left as they are.

    UserError where it can't be known: in a working directory that was deleted.
    """
    path = given(text)
    return Path(os.path.normpath(path if path.is_absolute() else here() / path))


def here() -> Path:
    """The working directory. UserError where it was deleted."""
    try:
        return Path(os.getcwd())
    except OSError as fault:
        raise UserError(
            f"cannot be found ({fault.strerror})",
            place="the working directory",
            remedy="it was deleted or unmounted: `cd` into one that is there",
        ) from None


def from_here(path: str | os.PathLike[str]) -> str:
    """The path as seen from the working directory, where that is below it; else as it is."""
    try:
        seen = os.path.relpath(path)
    except (OSError, ValueError):  # the working directory was deleted
        return os.fspath(path)
    return os.fspath(path) if seen.startswith(os.pardir) else seen


def followed(path: Path) -> Path:
    """The path with its links followed as far as they lead; as it is where they can't be."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path


def state_home() -> Path:
    """Where this program keeps what it remembers: `$XDG_STATE_HOME/tuiftune`."""
    kept = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(kept) / "tuiftune"


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether something is there that can be looked at; a link that leads nowhere is not."""
    return os.path.exists(path)


def names_one(text: str) -> bool:
    """Whether what somebody typed is the path of something, `~` replaced."""
    return os.path.exists(os.path.expanduser(text))


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Whether a directory is there that can be looked at."""
    return os.path.isdir(path)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is there that can be looked at."""
    return os.path.isfile(path)


def gone(path: str | os.PathLike[str]) -> bool:
    """Whether nothing is there for certain. What can't be looked at (shut, unmounted, dead) isn't gone."""
    try:
        os.lstat(path)
    except OSError as fault:
        return fault.errno in GONE
    except ValueError:
        return True
    return False


def size(path: str | os.PathLike[str]) -> int:
    """Bytes of a file; 0 where it can't be looked at."""
    seen = look(path)
    return seen.st_size if seen else 0


def modified(path: str | os.PathLike[str]) -> float | None:
    """When it was last written to, in UTC seconds; None where it can't be looked at."""
    seen = look(path)
    return seen.st_mtime if seen else None


def look(path: str | os.PathLike[str]) -> os.stat_result | None:
    """What the file system says of it, links followed; None where it says nothing."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def entries(folder: Path) -> list[Path]:
    """What is in a directory, by name; [] where it can't be read."""
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


def matching(folder: Path, pattern: str) -> list[Path]:
    """What is in a directory under names of a pattern, by name; [] where it can't be read."""
    return [path for path in entries(folder) if path.match(pattern)]


def below(folder: Path, hidden: tuple[str, ...] = (".",)) -> list[Path]:
    """The regular files in a directory and the directories below it, by name; names that begin with `hidden`
    are passed over. UserError where one can't be read, or where there are too many.
    """
    found: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(hidden))
        seen += len(folders) + len(names)
        if seen > MOST_BELOW:
            raise UserError(
                f"holds more than {MOST_BELOW:,} files", place=_shown(folder), remedy="name a part of it"
            )
        inside = (Path(place, name) for name in names if not name.startswith(hidden))
        found += (path for path in inside if is_file(path))
    return sorted(found)


def _raise(fault: OSError) -> None:
    raise cannot(fault, fault.filename or "", "read")


def require(path: Path, *, missing: str = "no such file", remedy: str = "check the path") -> os.stat_result:
    """What the file system says of a path, links followed. UserError with `missing` and `remedy` where
    nothing is there, with the reason where it can't be looked at.
    """
    try:
        return os.stat(path)
    except FileNotFoundError:
        raise UserError(missing, place=_shown(path), remedy=remedy) from None
    except (OSError, ValueError) as fault:
        raise cannot(fault, path, "read") from None


def trouble(path: Path) -> str:
    """Why a path can't be looked at, in words; "" where it can."""
    try:
        require(path)
    except UserError as fault:
        return fault.message
    return ""


def cannot(fault: OSError | ValueError, path: str | os.PathLike[str], verb: str) -> UserError:
    """The UserError for a path that can't be read or written. A full disk has an exit code of its own."""
    number = getattr(fault, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        why = (f"no permission to {verb} it", "change its permissions, or use another place")
    elif number == errno.ENOENT and verb == "write":
        why = ("its directory does not exist", "create the directory first")
    elif number is None:
        why = ("is no path" if isinstance(fault, ValueError) else str(fault), "check the path")
    else:
        why = _WHY.get(
            number, (f"can't be {'read' if verb == 'read' else 'written'} ({os.strerror(number)})", "")
        )
    return UserError(
        printable(why[0]),
        place=_shown(path),
        remedy=why[1],
        exit_code=ExitCode.DISK_FULL if number in FULL else ExitCode.USAGE,
    )


def _shown(path: str | os.PathLike[str]) -> str:
    text = printable(os.fspath(path))
    return text if len(text) <= 200 else f"{text[:120]}…{text[-60:]}"
