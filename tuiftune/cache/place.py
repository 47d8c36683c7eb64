"""Where the cache lies, and how large it may become."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

DIRECTORY, LIMIT = "TUIFTUNE_CACHE", "TUIFTUNE_CACHE_LIMIT"
USUAL_LIMIT = 50 << 30  # bytes
_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_UNITS |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)


def root() -> Path:
    """Return `$TUIFTUNE_CACHE`, or `$XDG_CACHE_HOME/tuiftune/rows`."""
    if named := os.environ.get(DIRECTORY):
        return paths.absolute(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tuiftune" / "rows"


def limit() -> int:
    """Bytes that all entries may take together; 0: nothing is kept. UserError for what is no size."""
    text = os.environ.get(LIMIT, "")
    if not text.strip():
        return USUAL_LIMIT
    found = _SIZE.fullmatch(text)
    factor = _UNITS.get(found[2].upper()) if found else None
    if found is None or factor is None or (not found[2] and float(found[1])):
        raise UserError(
            f"{printable(text)[:40]} is not a size", place=LIMIT, remedy="write one such as 20GiB, or 0"
        )
    return int(float(found[1]) * factor)


def free(path: Path) -> int:
    """Bytes that this user can still write where a path is or would be."""
    for there in (path, *path.parents):
        try:
            seen = os.statvfs(there)
        except OSError:
            continue
        return seen.f_bavail * seen.f_frsize
    return 0
