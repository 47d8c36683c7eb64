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

    from tuiftune.runs.directory import RunDir
    from tuiftune.runs.planned import Planned
    from tuiftune.runs.state import RunState

# A checkpoint holds what is trained in float32 at most, and two moments of it (Adam): 12 bytes a parameter.
STATES = 2
BYTES_PER_TRAINED = 4 * (1 + STATES)
NAME = re.compile(r"checkpoint-(\d+)")
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


def stored(run: RunDir) -> tuple[Stored, ...]:
    """What lies in the run's checkpoint directory, newest step first. Looks at sizes, not at contents."""
    found = [(NAME.fullmatch(path.name), path) for path in paths.entries(run.checkpoints_path)]
    listed = [_stored(int(match[1]), path) for match, path in found if match]
    return tuple(sorted(listed, key=lambda one: -one.step))


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
