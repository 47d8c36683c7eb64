"""Checkpoints that are whole or not there: staged, synced, listed with sizes and hashes, renamed, and
verified before use.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MANIFEST = "manifest.json"
MANIFEST_KEYS = {"version", "step", "processes", "files"}
VERSION = 1
PROGRESS = "progress.json"
STAGED = ".staged"
DISCARDED = ".discarded-"
NAME = re.compile(r"checkpoint-(\d+)")
CHUNK = 8 * 1024 * 1024
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", PROGRESS)
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
LEFT_OUT = ("training_args.bin", "README.md")  # a pickle that nothing reads, and a card without scores
FULL_BELOW = 1024 * 1024  # bytes free


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk. `bytes` and `seconds` say what saving it took; zero where it was found."""

    step: int
    path: Path
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that was passed over, and why."""

    path: Path
    why: str


class Store:
    """The checkpoints of one run."""

    def __init__(self, directory: Path, keep: int, processes: int = 1) -> None:
        self.directory = directory
        self.keep = keep
        self.processes = processes
        self.staged = directory / STAGED

    def clean(self) -> None:
        """Remove what an interrupted save or rotation left behind. None of it was ever a checkpoint."""
        if not self.directory.is_dir():
            return
        for path in self.directory.iterdir():
            if path.name == STAGED or path.name.startswith(DISCARDED):
                shutil.rmtree(path)

    def save(
        self, step: int, write: Callable[[Path], None], progress: dict[str, Any], protect: Iterable[int]
    ) -> Checkpoint:
        """Save what `write` puts into the directory it is given, then drop old checkpoints but those in
        `protect`.

        Raises OSError(ENOSPC) when the disk is full; then only the partial checkpoint is gone.
        """
        began = time.monotonic()
        staged = self.staged
        final = self.directory / f"checkpoint-{step}"
        size = self._stage(staged, step, write, progress)
        try:
            if final.exists():
                self._discard(final)
            os.rename(staged, final)
            _sync(self.directory)
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        self._rotate(step, {step, *protect})
        return Checkpoint(step, final, size, time.monotonic() - began)

    def trial(
        self, write: Callable[[Path], None], progress: dict[str, Any], read: Callable[[Path], None]
    ) -> int:
        """Save as `save` does, verify it, let `read` take it up again, and remove it. Returns its bytes.

        Raises OSError as `save` does, and RuntimeError where what was written isn't what is there.
        """
        staged = self.staged
        try:
            size = self._stage(staged, 0, write, progress)
            if why := fault_of(Checkpoint(0, staged)):
                raise RuntimeError(f"a checkpoint written for trial does not verify: {why}")
            read(staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return size

    def all(self) -> list[Checkpoint]:
        """Every checkpoint by name, newest first, verified or not."""
        if not self.directory.is_dir():
            return []
        found = [(NAME.fullmatch(path.name), path) for path in self.directory.iterdir()]
        return sorted(
            (Checkpoint(int(match[1]), path) for match, path in found if match),
            key=lambda one: one.step,
            reverse=True,
        )

    def newest_whole(self) -> tuple[Checkpoint | None, list[Damaged]]:
        """The newest checkpoint that verifies, and the newer ones that don't."""
        damaged: list[Damaged] = []
        for checkpoint in self.all():
            why = fault_of(checkpoint)
            if why is None:
                return checkpoint, damaged
            damaged.append(Damaged(checkpoint.path, why))
        return None, damaged

    def _stage(self, staged: Path, step: int, write: Callable[[Path], None], progress: dict[str, Any]) -> int:
        """Write and seal a checkpoint under a name that isn't one. Returns its bytes."""
        try:
            staged.mkdir(parents=True)
            write(staged)
            for name in LEFT_OUT:
                (staged / name).unlink(missing_ok=True)
            _write_json(staged / PROGRESS, progress)
            return _seal(staged, step, self.processes)
        except Exception as fault:
            full = shutil.disk_usage(self.directory).free < FULL_BELOW
            shutil.rmtree(staged, ignore_errors=True)
            if full and not (isinstance(fault, OSError) and fault.errno == errno.ENOSPC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.directory)) from fault
            raise

    def _rotate(self, saved: int, protect: set[int]) -> None:
        """Keep the newest `keep` up to the one just saved, so that the last good one always stays.

        Those beyond it were passed over as damaged when this process began, or it would have gone on from
        them: they must not count.
        """
        there = self.all()
        old = [one for one in there if one.step <= saved][self.keep :]
        for checkpoint in [*(one for one in there if one.step > saved), *old]:
            if checkpoint.step not in protect:
                self._discard(checkpoint.path)

    def _discard(self, path: Path) -> None:
        """Rename first: a removal cut short must not leave something that looks like a checkpoint."""
        trash = path.with_name(DISCARDED + path.name)
        if trash.exists():
            shutil.rmtree(trash)
        os.rename(path, trash)
        shutil.rmtree(trash)


def fault_of(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint, or None when every byte of it is as it was written."""
    try:
        manifest = json.loads((checkpoint.path / MANIFEST).read_bytes())
        files = manifest["files"]
        if {*manifest, "processes"} != MANIFEST_KEYS or manifest["version"] != VERSION:
            return f"{MANIFEST} isn't one of version {VERSION}"
        if manifest["step"] != checkpoint.step:
            return f"its manifest is of step {manifest['step']}"
        if (processes := manifest.get("processes", 1)) < 1:
            return f"its manifest is of {processes} processes"
        needed = (*NEEDED, *random_states(processes))
        missing = [name for name in needed if name not in files]
        if missing or not any(name in files for name in WEIGHTS):
            return f"its manifest lacks {', '.join(missing) or 'the weights'}"
        for name, listed in files.items():
            path = checkpoint.path / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != listed["size"]:
                return f"{name} has {path.stat().st_size} bytes instead of {listed['size']}"
            if _hash(path) != listed["sha256"]:
                return f"{name} was changed after it was written"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        return f"{MANIFEST} can't be read ({type(fault).__name__})"
    return None


def random_states(processes: int) -> list[str]:
    """The files that hold the random numbers' states: one a process, as the trainer names them."""
    return ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]


def progress_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the engine noted beside the trainer's own state. The checkpoint must have verified."""
    document = json.loads((checkpoint.path / PROGRESS).read_bytes())
    if not isinstance(document, dict):
        raise UserError("is not a JSON object", place=str(checkpoint.path / PROGRESS))
    return document


def _seal(directory: Path, step: int, processes: int) -> int:
    """Sync every file and list it with size and hash. Returns the bytes."""
    files = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        _sync(path)
        files[path.relative_to(directory).as_posix()] = {"size": path.stat().st_size, "sha256": _hash(path)}
    _write_json(
        directory / MANIFEST, {"version": VERSION, "step": step, "processes": processes, "files": files}
    )
    _sync(directory)
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def _write_json(path: Path, document: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
