"""Checkpoints of a run: those that lie on the disk, and the next one's step, time and size."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.directory import RunDir

# A checkpoint holds what is trained in float32 at most, and two moments of it (Adam): 12 bytes a parameter.
STATES = 2
BYTES_PER_TRAINED = 4 * (1 + STATES)
NAME = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})")
STAGED, DISCARDED = ".staged", ".discarded-"  # what an interrupted save or rotation leaves behind
LOGS = "runs"  # where the trainer's TensorBoard writer puts its own
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint directory. `fault`: why it can't be gone on from, "" where it is whole: sealed by its
    manifest, every file there in its size. Its hashes are checked when a run is resumed."""

    step: int
    bytes: int
    t: float  # when it was sealed
    fault: str


@dataclass(frozen=True, slots=True)
class Next:
    """Seconds are None while the pace isn't known, bytes while nothing is known of the model."""

    step: int
    seconds: float | None
    bytes: float | None


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
        files = documents.read_json(path / MANIFEST)["files"]
        for name, listed in files.items():
            there = os.stat(path / name).st_size
            size += there
            if there != listed["size"]:
                return Stored(step, size, sealed.st_mtime, f"{name} has another size than when it was sealed")
    except FileNotFoundError as fault:
        missing = str(fault.filename).rpartition("/")[2]
        return Stored(step, size, 0.0, "not sealed" if missing == MANIFEST else f"{missing} is missing")
    except UserError as fault:
        return Stored(step, size, 0.0, f"its manifest {fault.message}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        return Stored(step, size, 0.0, f"its manifest can't be read ({type(fault).__name__})")
    return Stored(step, size, sealed.st_mtime, "")


def next_bytes(state: RunState) -> float | None:
    """What the next checkpoint takes: as much as the last; before the first, 12 bytes a trained parameter at
    most. None while neither is known."""
    sizes = [one.bytes for one in state.checkpoints if one.bytes]
    if sizes:
        return float(sizes[-1])
    return None if state.trainable is None else float(BYTES_PER_TRAINED * state.trainable)


def upcoming(state: RunState, planned: Planned) -> Next | None:
    """The next checkpoint by the plan's interval; the last step has one too. None where none is to come."""
    every, total = planned.save_every, state.total_steps
    if state.end is not None or not every or total is None or state.step >= total:
        return None
    step = min(total, (state.step // every + 1) * every)
    each = state.pace.seconds_per_step
    return Next(step, None if each is None else each * (step - state.step), next_bytes(state))
