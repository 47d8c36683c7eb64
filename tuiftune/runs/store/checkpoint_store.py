"""Saving checkpoints that are whole or not there: staged, synced, listed with sizes and hashes, renamed; and
dropping old ones. Training goes on once its state is written or copied.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store.checkpoints import (
    DISCARDED,
    MANIFEST,
    PROGRESS,
    STAGED,
    VERSION,
    Checkpoint,
    fault_of,
    found_in,
    hash_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    # Puts into a directory what training changes; what it returns puts the rest there, which nothing changes.
    Rest = Callable[[Path], None]
    Write = Callable[[Path], Rest | None]

SET_ASIDE = ".not-a-checkpoint"
LEFT_OUT = ("training_args.bin", "README.md")  # a pickle that nothing reads, and a GPU without scores
FULL_BELOW = 1024 * 1024  # bytes free
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that was passed over, and why."""

    path: Path
    why: str


class Store:
    """The checkpoints of one run."""

    def __init__(
        self,
        directory: Path,
        keep: int,
        processes: int = 1,
        moved: Callable[[], Path | None] | None = None,
    ) -> None:
        """`moved` says where the run's directory is now, if that is known."""
        self.directory = directory
        self.keep = keep
        self.processes = processes
        self.staged = directory / STAGED
        self.stuck: list[str] = []  # what could not be removed, in words
        self._moved = moved
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[Checkpoint] | None = None

    def follow(self) -> None:
        """Go to where the run's directory is now, if it was moved."""
        self.wait()
        self._follow()

    def _follow(self) -> None:
        if place := self._moved and self._moved():
            self.directory = place / self.directory.name
            self.staged = self.directory / STAGED

    def clean(self) -> None:
        """Remove what an interrupted save or rotation left behind. None of it was ever a checkpoint.

        UserError where something else than a directory is in its place: no checkpoint could be saved.
        """
        if not paths.is_dir(self.directory):
            if paths.gone(self.directory):
                return
            raise UserError(
                paths.trouble(self.directory) or "is not a directory, so no checkpoint can be saved",
                place=printable(str(self.directory)),
                remedy="move it away, or restore what it links to",
            )
        for path in paths.entries(self.directory):
            if path.name == STAGED or path.name.startswith(DISCARDED):
                _remove(path)

    def strangers(self) -> list[str]:
        """What lies here and is no checkpoint of ours, in words. None of it is read, moved or removed."""
        return [f"{printable(path.name)} ({kind})" for path, kind in found_in(self.directory).strangers]

    def save(
        self, step: int, write: Write, progress: dict[str, Any], protect: Iterable[int]
    ) -> Checkpoint | None:
        """Save what `write` puts into the directory it is given, then drop old checkpoints but those in
        `protect`.

        Raises OSError(ENOSPC) when the disk is full; then only the partial checkpoint is gone.
        """
        self.begin(step, write, progress, protect, lambda _: None)
        return self.wait()

    def begin(
        self,
        step: int,
        write: Write,
        progress: dict[str, Any],
        protect: Iterable[int],
        sealed: Callable[[Checkpoint], None],
    ) -> None:
        """As `save`, but return once `write` has: a thread does the rest, and calls `sealed` when it is done.

        What that raises is raised by `wait`, by `check`, or by whatever is asked of the checkpoints next.
        """
        self.wait()
        began = time.monotonic()
        rest = self._filled(write)

        def finish() -> Checkpoint:
            there = self.directory
            try:
                size = self._finish(step, rest, progress)
            except Exception:  # each library says in its own way that a directory is gone
                self._follow()
                if self.directory == there:
                    raise
                if paths.exists(self.staged):
                    size = self._finish(step, rest, progress)
                else:  # it was moved once the checkpoint was in its place
                    size = _bytes_in(self.directory / f"checkpoint-{step}")
            self._rotate(step, {step, *protect})
            final = self.directory / f"checkpoint-{step}"
            saved = Checkpoint(step, final, size, time.monotonic() - began)
            sealed(saved)
            return saved

        self._pending = self._thread.submit(finish)

    def wait(self) -> Checkpoint | None:
        """Until the checkpoint that was begun is sealed; what came of it, None where none was."""
        pending, self._pending = self._pending, None
        return pending.result() if pending is not None else None

    @property
    def busy(self) -> bool:
        """Return True while a checkpoint that was begun is not sealed yet."""
        return self._pending is not None and not self._pending.done()

    def check(self) -> None:
        """Raise what went wrong with the checkpoint that was begun, if that is known."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def _finish(self, step: int, rest: Rest | None, progress: dict[str, Any]) -> int:
        staged = self.staged
        final = self.directory / f"checkpoint-{step}"
        size = self._sealed(step, rest, progress)
        with self._or_nothing():
            if os.path.islink(final) or not paths.is_dir(final):
                _set_aside(final)
            else:
                self._discard(final)
            os.rename(staged, final)
            _sync(self.directory)
        return size

    def trial(self, write: Write, progress: dict[str, Any], read: Callable[[Path], None]) -> int:
        """Save as `save` does, verify it, let `read` take it up again, and remove it. Returns its bytes.

        Raises OSError as `save` does, and RuntimeError where what was written isn't what is there.
        """
        self.wait()
        staged = self.staged
        try:
            size = self._sealed(0, self._filled(write), progress)
            if why := fault_of(Checkpoint(0, staged)):
                raise RuntimeError(f"a checkpoint written for trial does not verify: {why}")
            read(staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return size

    def all(self) -> list[Checkpoint]:
        """Every checkpoint by name, newest first, verified or not."""
        self.wait()
        return self._all()

    def _all(self) -> list[Checkpoint]:
        return [Checkpoint(step, path) for step, path in found_in(self.directory).checkpoints]

    def go_back_to(self, step: int) -> None:
        """Remove the checkpoints after a step: the run diverged there."""
        for checkpoint in self.all():
            if checkpoint.step > step:
                self._discard(checkpoint.path)

    def newest_whole(self) -> tuple[Checkpoint | None, list[Damaged]]:
        """The newest checkpoint that verifies, and the newer ones that don't."""
        damaged: list[Damaged] = []
        for checkpoint in self.all():
            why = fault_of(checkpoint)
            if why is None:
                return checkpoint, damaged
            damaged.append(Damaged(checkpoint.path, why))
        return None, damaged

    def _filled(self, write: Write) -> Rest | None:
        """What is to be saved, under a name that isn't a checkpoint's. Returns what `write` does."""
        with self._or_nothing():
            self.directory.mkdir(exist_ok=True)
            self.staged.mkdir()
            return write(self.staged)

    def _sealed(self, step: int, rest: Rest | None, progress: dict[str, Any]) -> int:
        """What is written, whole and with its manifest. Returns its bytes."""
        with self._or_nothing():
            if rest is not None:
                rest(self.staged)
            for name in LEFT_OUT:
                (self.staged / name).unlink(missing_ok=True)
            _write_json(self.staged / PROGRESS, progress)
            return _seal(self.staged, step, self.processes)

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """A full disk is told as one, whatever a library makes of it; what was written then is removed.

        UserError where nothing may be written there any more.
        """
        try:
            yield
        except Exception as fault:
            full = paths.exists(self.directory) and shutil.disk_usage(self.directory).free < FULL_BELOW
            shutil.rmtree(self.staged, ignore_errors=True)
            if full and not (isinstance(fault, OSError) and fault.errno == errno.ENOSPC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.directory)) from fault
            if isinstance(fault, OSError) and fault.errno in CLOSED:
                raise paths.cannot(fault, self.directory, "write") from fault
            raise

    def _rotate(self, saved: int, protect: set[int]) -> None:
        """Keep the newest `keep` up to the one just saved, so that the last good one always stays.

        Those beyond it were passed over as damaged when this process began, or it would have gone on from
        them: they must not count.
        """
        there = self._all()
        old = [one for one in there if one.step <= saved][self.keep :]
        for checkpoint in [*(one for one in there if one.step > saved), *old]:
            if checkpoint.step in protect:
                continue
            try:
                self._discard(checkpoint.path)
            except OSError as fault:  # the new one is safe, so the run continues
                self.stuck.append(f"{checkpoint.path.name} ({fault.strerror or fault})")

    def _discard(self, path: Path) -> None:
        """Rename first: a removal cut short must not leave something that looks like a checkpoint."""
        trash = path.with_name(DISCARDED + path.name)
        _remove(trash)
        os.rename(path, trash)
        shutil.rmtree(trash)


def _remove(path: Path) -> None:
    """A directory of ours with all in it; of a link or a file of its name, only that."""
    if os.path.islink(path) or paths.is_file(path):
        path.unlink()
    elif paths.exists(path):
        shutil.rmtree(path)


def _set_aside(path: Path) -> None:
    """Free a checkpoint's name of a link or file, which is somebody's and stays under another."""
    number = 0
    while os.path.lexists(aside := path.with_name(f"{path.name}{SET_ASIDE}{number or ''}")):
        number += 1
    if os.path.lexists(path):
        os.rename(path, aside)


def _seal(directory: Path, step: int, processes: int) -> int:
    """Sync every file and list it with size and hash. Returns the bytes."""
    files = {}
    (directory / MANIFEST).unlink(missing_ok=True)  # of a first try, where the run was moved meanwhile
    for path in paths.below(directory, ()):
        _sync(path)
        files[path.relative_to(directory).as_posix()] = {"size": paths.size(path), "sha256": hash_of(path)}
    _write_json(
        directory / MANIFEST, {"version": VERSION, "step": step, "processes": processes, "files": files}
    )
    _sync(directory)
    return _bytes_in(directory)


def _bytes_in(directory: Path) -> int:
    return sum(paths.size(path) for path in paths.below(directory, ()))


def _write_json(path: Path, document: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
