"""Digests of content: of the files that rows come from, and of the code that turns them into tokens."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths, spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PIECE = 64 << 20  # bytes that are hashed by one thread
AT_ONCE = 1 << 20

_known: dict[tuple[str, tuple[int, ...]], str] = {}


def witness(path: Path) -> tuple[int, ...]:
    """What changes when a file is written: inode, size, and the times of content and inode; empty where it
    cannot be read.
    """
    seen = paths.look(path)
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns) if seen else ()


def of_file(path: Path) -> str:
    """The SHA-256 of the SHA-256 of each 64 MiB of a file, in hex. OSError where it cannot be read."""
    path = spool.copy_of(path)
    before = witness(path)
    known = _known.get((str(path), before))
    if known is not None:
        return known
    size = before[1] if before else 0
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        digests = threads.map(lambda at: _piece(path, at), range(0, max(size, 1), PIECE))
        made = hashlib.sha256(b"".join(digests)).hexdigest()
    if witness(path) == before:
        _known[str(path), before] = made
    return made


def _piece(path: Path, at: int) -> bytes:
    digest, buffer = hashlib.sha256(), bytearray(AT_ONCE)
    with path.open("rb", buffering=0) as file:  # raw: unbuffered, and OSError is told by who asks
        file.seek(at)
        left = PIECE
        while left and (got := file.readinto(memoryview(buffer)[: min(left, AT_ONCE)])):
            digest.update(memoryview(buffer)[:got])
            left -= got
    return digest.digest()


@cache
def of_code(rooms: Sequence[str]) -> str:
    """A digest of this program's source files below some of its directories: what the code made before it was
    changed is not used any more.
    """
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for room in rooms:
        place = package / room
        for file in sorted(place.rglob("*.py")) if paths.is_dir(place) else [place]:  # raw: our own source
            digest.update(f"{file.relative_to(package)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())  # raw: our own source
    return digest.hexdigest()


def key_of(*parts: Any) -> str:
    """A key of 40 digits for values that differ in what they print."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def sizes(files: Iterable[Path]) -> int:
    """Bytes of some files together."""
    return sum(paths.size(spool.copy_of(file)) for file in files)
