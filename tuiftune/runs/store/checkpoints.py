"""Checkpoints of a run on the disk: which there are, and whether one is as it was written."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

NAME = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})")
STAGED, DISCARDED = ".staged", ".discarded-"  # what an interrupted save or rotation leaves behind
LOGS = "runs"  # where the trainer's TensorBoard writer puts its own
MANIFEST = "manifest.json"
MANIFEST_KEYS = {"version", "step", "processes", "files"}
VERSION = 1
PROGRESS = "progress.json"
CHUNK = 8 * 1024 * 1024
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", PROGRESS)
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_model.safetensors",
    "sharded/.metadata",
)
# Further files in a checkpoint that a loader could take for its own; what else lies there is read by nobody.
READ = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".safetensors", ".json", ".distcp", ".metadata")
MOST_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint directory. `fault`: why it can't be gone on from, "" where it is whole: sealed by its
    manifest, every file there in its size. Its hashes are checked when a run is resumed."""

    step: int
    bytes: int
    t: float  # when it was sealed
    fault: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk. `bytes` and `seconds` say what saving it took; zero where it was found."""

    step: int
    path: Path
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a directory of checkpoints: those by step, newest first; and what is none of ours (a link,
    a file, another name), with what it is.
    """

    checkpoints: tuple[tuple[int, Path], ...]
    strangers: tuple[tuple[Path, str], ...]


def found_in(directory: Path) -> Found:
    """Checkpoints are plain directories of the right name; nothing in them is looked at. Empty where there
    is no such directory.
    """
    checkpoints: list[tuple[int, Path]] = []
    strangers: list[tuple[Path, str]] = []
    for path in paths.entries(directory):
        match = NAME.fullmatch(path.name)
        linked = os.path.islink(path)
        plain = paths.is_dir(path) and not linked
        if match and plain:
            checkpoints.append((int(match[1]), path))
        elif path.name != LOGS and not path.name.startswith((STAGED, DISCARDED)):
            kind = "a link" if linked else "a directory" if plain else "a file"
            strangers.append((path, kind))
    checkpoints.sort(key=lambda one: -one[0])
    return Found(tuple(checkpoints), tuple(strangers))


def any_in(directory: Path) -> bool:
    """Whether there is a checkpoint to go on from, whole or not."""
    return bool(found_in(directory).checkpoints)


def stored(run: RunDir) -> tuple[Stored, ...]:
    """What lies in the run's checkpoint directory, newest step first. Looks at sizes, not at contents."""
    return tuple(_stored(step, path) for step, path in found_in(run.checkpoints_path).checkpoints)


def _stored(step: int, path: Path) -> Stored:
    size = 0
    try:
        sealed = os.stat(path / MANIFEST)
        size = sealed.st_size  # as the event of its saving counts it
        files = documents.read_json(path / MANIFEST)["files"]
        for name, listed in files.items():
            there = os.stat(path / name).st_size
            size += there
            if there != listed["size"]:
                return Stored(step, size, sealed.st_mtime, f"{name} has changed in size")
    except FileNotFoundError as fault:
        missing = str(fault.filename).rpartition("/")[2]
        return Stored(
            step,
            size,
            0.0,
            "incomplete: no manifest" if missing == MANIFEST else f"{missing} is missing",
        )
    except UserError as fault:
        return Stored(step, size, 0.0, f"its manifest {fault.message}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        return Stored(step, size, 0.0, f"its manifest cannot be read ({type(fault).__name__})")
    return Stored(step, size, sealed.st_mtime, "")


def fault_of(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint, or None when every byte of it is as it was written."""
    try:
        listing = checkpoint.path / MANIFEST
        if not _plain(listing):
            return f"{MANIFEST} is {'not a regular file' if os.path.lexists(listing) else 'missing'}"
        manifest = documents.read_json(listing)
        files = manifest["files"]
        if {*manifest, "processes"} != MANIFEST_KEYS or manifest["version"] != VERSION:
            return f"{MANIFEST} is not of version {VERSION}"
        if manifest["step"] != checkpoint.step:
            return f"its manifest is of step {str(manifest['step'])[:20]}"
        if type(processes := manifest.get("processes", 1)) is not int or not 1 <= processes <= MOST_PROCESSES:
            return f"its manifest is of {str(processes)[:20]} processes"
        needed = (*NEEDED, *random_states(processes))
        missing = [name for name in needed if name not in files]
        if missing or not any(name in files for name in WEIGHTS):
            return f"its manifest lacks {', '.join(missing) or 'the weights'}"
        if other := _unlisted(checkpoint.path, files):
            return f"it contains {printable(other)}, which its manifest does not list"
        for name, listed in files.items():
            path = checkpoint.path / name
            if not _plain(path):
                kind = "not a regular file" if os.path.lexists(path) else "missing"
                return f"{printable(name)[:80]} is {kind}"
            if not paths.followed(path).is_relative_to(paths.followed(checkpoint.path)):
                return f"{printable(name)[:80]} is outside it"
            if paths.size(path) != listed["size"]:
                return f"{name} has {paths.size(path)} bytes instead of {str(listed['size'])[:20]}"
            if hash_of(path) != listed["sha256"]:
                return f"{name} has changed since it was saved"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except UserError as fault:
        return f"{MANIFEST} {fault.message}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        return f"{MANIFEST} cannot be read ({type(fault).__name__})"
    return None


def _plain(path: Path) -> bool:
    """A regular file, not a link to one."""
    return paths.is_file(path) and not os.path.islink(path)


def _unlisted(directory: Path, files: Iterable[str]) -> str | None:
    """A file that a loader might read though nobody vouches for it."""
    known = {*files, MANIFEST}
    everything = (path for path in directory.rglob("*") if not paths.is_dir(path))  # raw: OSError is told
    names = (path.relative_to(directory).as_posix() for path in everything)
    return next((name for name in sorted(names) if name not in known and name.endswith(READ)), None)


def random_states(processes: int) -> list[str]:
    """The files that hold the random numbers' states: one a process, as the trainer names them."""
    return ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]


def progress_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the engine's notes, in addition to the trainer's state. The checkpoint must be verified."""
    return documents.read_json(checkpoint.path / PROGRESS)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    digest = hashlib.sha256()
    with documents.opened(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
