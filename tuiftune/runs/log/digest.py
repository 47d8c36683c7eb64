"""The state folded from a long log, saved next to the register of runs, so that it opens at once.

It holds for the log it was made from as long as that only grew: same file, same beginning, and the same bytes
before the place that was read up to. Otherwise the log is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.log.thin import FORM
from tuiftune.runs.store.registry import registry_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EDGE_BYTES = 4096  # compared at the beginning, and before the place that was read up to
MOST_BYTES = 64 * 1024 * 1024  # a digest that is longer helps nobody
KEPT = 20  # a few megabytes each
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Digest:
    """Lines of the log up to `offset`, thinned (`tuiftune.runs.log.thin`)."""

    offset: int
    lines: list[bytes]


def load(log: Path, descriptor: int) -> Digest | None:
    """The digest of an open log; None if there is none that holds."""
    try:
        head, _, body = documents.read_bytes(_path(log), MOST_BYTES + EDGE_BYTES).partition(b"\n")
        facts = documents.loads(head)
        offset, check = int(facts["offset"]), int(facts["check"])
        if facts["of"] != _identity(descriptor, offset) or check != zlib.crc32(body):
            return None
    except (OSError, UserError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return Digest(offset, body.split(b"\n")[:-1])


def save(log: Path, descriptor: int, offset: int, lines: Sequence[bytes]) -> bool:
    """Keep the digest of an open log up to `offset`. Returns whether that worked: it only saves time."""
    body = b"".join(line + b"\n" for line in lines)
    if len(body) > MOST_BYTES:
        return False
    path = _path(log)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        facts = {"of": _identity(descriptor, offset), "offset": offset, "check": zlib.crc32(body)}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, FILE_MODE), "wb") as file:
            file.write(json.dumps(facts).encode() + b"\n" + body)
        os.replace(partial, path)
        _forget_old(path.parent)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True


def _path(log: Path) -> Path:
    name = hashlib.sha256(os.fsencode(paths.absolute(log))).hexdigest()[:32]
    return registry_path().parent / "digests" / f"{name}.jsonl"


def _identity(descriptor: int, offset: int) -> list[str]:
    """What must be the same for a digest to hold."""
    seen = os.fstat(descriptor)
    if seen.st_size < offset:
        return []
    first = os.pread(descriptor, min(EDGE_BYTES, offset), 0)
    last = os.pread(descriptor, min(EDGE_BYTES, offset), max(0, offset - EDGE_BYTES))
    return [FORM, f"{seen.st_dev}:{seen.st_ino}", hashlib.sha256(first + last).hexdigest()]


def _forget_old(folder: Path) -> None:
    found = paths.matching(folder, "*.jsonl")
    found.sort(key=lambda path: paths.modified(path) or 0.0, reverse=True)
    for path in found[KEPT:]:
        path.unlink(missing_ok=True)
