"""One entry of the cache: made by one process at a time, complete or not there, verified before use."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import xxhash

from tuiftune import documents, paths
from tuiftune.cache import clearing, place
from tuiftune.cache.clearing import SEALED
from tuiftune.cache.content import witness
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WITNESS = "witness.json"
LOOK_EVERY = 0.2  # seconds between two looks at a lock that another process has
BOOT = "/proc/sys/kernel/random/boot_id"
LARGEST = 1 << 28  # bytes of a document
AT_ONCE = 4 << 20


class Entry:
    """A directory that this process alone writes, or that is complete and shared with others.

    It is not cleared before `close`, or the end of this process.
    """

    def __init__(self, path: Path, lock: int, *, shared: bool) -> None:
        self.path, self.shared, self._lock = path, shared, lock

    def document(self) -> dict[str, Any] | None:
        """What was sealed. None where nothing was, or a file is no longer as it was: then all is removed,
        unless others use it.
        """
        if not paths.exists(self.path / SEALED):
            return None
        try:
            sealed = documents.read_json(self.path / SEALED, LARGEST)
            files: dict[str, list[Any]] = sealed["files"]
            given: dict[str, Any] = sealed["document"]
            if not self._unchanged(files):
                for name, expected in files.items():
                    if checksum(self.path / name) != expected:
                        raise ValueError(name)
                self._bear_witness(files)
            os.utime(self.path / SEALED)
        except (UserError, OSError, ValueError, KeyError, TypeError):
            if not self.shared:
                self.clear()
            return None
        return given

    def seal(self, document: dict[str, Any], names: Sequence[str]) -> None:
        """Declare the entry complete with these files."""
        files = {name: checksum(self.path / name) for name in names}
        staged = self.path / f"{SEALED}.part"
        staged.write_text(json.dumps({"document": document, "files": files}), encoding="utf-8")
        os.replace(staged, self.path / SEALED)
        self._bear_witness(files)

    def clear(self) -> None:
        """Remove everything in it."""
        for one in sorted(paths.entries(self.path), key=lambda one: one.name != SEALED):
            if paths.is_dir(one) and not os.path.islink(one):
                shutil.rmtree(one)
            else:
                one.unlink(missing_ok=True)

    def share(self) -> None:
        """Let others use it as well, now that it is complete."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.shared = True

    def close(self) -> None:
        """Leave it to others."""
        os.close(self._lock)

    def _unchanged(self, files: dict[str, list[Any]]) -> bool:
        try:
            known = documents.read_json(self.path / WITNESS, LARGEST)
        except (UserError, OSError, ValueError):
            return False
        return bool(known == self._witnesses(files))

    def _witnesses(self, files: dict[str, list[Any]]) -> dict[str, Any]:
        return {"boot": _boot(), "files": {name: list(witness(self.path / name)) for name in files}}

    def _bear_witness(self, files: dict[str, list[Any]]) -> None:
        staged = self.path / f"{WITNESS}.{os.getpid()}"
        staged.write_text(json.dumps(self._witnesses(files)), encoding="utf-8")
        os.replace(staged, self.path / WITNESS)


def hold(kind: str, key: str, waiting: Callable[[], None] = lambda: None) -> Entry:
    """The entry of a key: complete and shared, or for this process alone to make.

    `waiting` is called while another process makes it, and may raise. UserError where the directory cannot be
    made or locked.
    """
    directory = place.root() / kind
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            entry = _locked(directory / key, waiting)
            if not entry.shared or entry.document() is not None:
                return entry
            entry.close()
            key += "-"  # damaged while others use it: made again under another key
    except OSError as fault:
        raise UserError(
            f"the cache of rows cannot be written ({fault.strerror})",
            place=str(directory),
            remedy=f"name another directory in {place.DIRECTORY}, or set {place.LIMIT}=0",
        ) from None


def _locked(path: Path, waiting: Callable[[], None]) -> Entry:
    lock = path.with_name(path.name + clearing.LOCK)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            shared = _lock(descriptor, waiting)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(lock).st_ino == os.fstat(descriptor).st_ino:  # else it was cleared meanwhile
                    path.mkdir(exist_ok=True, mode=0o700)
                    return Entry(path, descriptor, shared=shared)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, waiting: Callable[[], None]) -> bool:
    """Whether the lock is shared: what others hold so is complete."""
    while True:
        for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return kind == fcntl.LOCK_SH
        waiting()
        time.sleep(LOOK_EVERY)


def checksum(path: Path) -> list[Any]:
    """Bytes and XXH3 of a file. OSError where it cannot be read."""
    digest, size, buffer = xxhash.xxh3_128(), 0, bytearray(AT_ONCE)
    with path.open("rb", buffering=0) as file:  # raw: unbuffered, OSError is told by who asks
        while got := file.readinto(buffer):
            digest.update(memoryview(buffer)[:got])
            size += got
    return [size, digest.hexdigest()]


def _boot() -> str:
    """What differs after the machine was started again: files that had not reached the disk may be empty."""
    try:
        with open(BOOT, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
