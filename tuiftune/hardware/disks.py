"""Which disk a path goes to, and how much room it has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.hardware.machine import Disk
from tuiftune.printable import printable


def disk_of(path: Path) -> Disk:
    """The mount a path lies on, or would lie on: of a path that isn't there yet, its nearest parent's. Bytes.

    `free` is what this user may still write. Raises UserError for a mount that does not answer.
    """
    there = nearest_existing(path)
    try:
        usage = shutil.disk_usage(there)
    except OSError as error:
        raise UserError(
            f"its disk does not respond ({printable(error.strerror or str(error))})",
            place=printable(str(path)),
            remedy="use a path on another disk",
        ) from error
    mount, filesystem = _mount_of(there)
    return Disk(printable(str(path)), printable(mount), filesystem, usage.total, usage.free)


def nearest_existing(path: Path) -> Path:
    """The path itself, resolved, or the closest parent that exists."""
    candidate = paths.absolute(path)
    for step in (candidate, *candidate.parents):
        try:
            return Path(os.path.realpath(step, strict=True))
        except OSError:  # not there, not for us, or a loop of links: its parent holds it
            continue
    return Path("/")


def _mount_of(path: Path) -> tuple[str, str]:
    best = ("/", "unknown")
    for part in psutil.disk_partitions(all=True):
        mount = Path(part.mountpoint)
        # A later mount hides an earlier one at the same place, hence >=.
        if (path == mount or mount in path.parents) and len(part.mountpoint) >= len(best[0]):
            best = (part.mountpoint, part.fstype)
    return best
