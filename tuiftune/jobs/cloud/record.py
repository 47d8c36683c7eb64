"""What a run's directory here knows of the machine that SkyPilot rents for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

NOTE, TASK = "sky.json", "sky"
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """`job`: the name of the managed job, one for all its starts. `copy`: URL of the run's copy.

    `secrets`: names of the environment variables that the task is given.
    """

    job: str
    copy: str
    secrets: tuple[str, ...] = ()


def keep(run: RunDir, record: Record) -> None:
    """Write it down. Raises OSError."""
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    write_text(run.control_path / NOTE, json.dumps(asdict(record)) + "\n")


def of(run: RunDir) -> Record:
    """Return what is known of a run. UserError if it was not started by SkyPilot."""
    try:
        noted = documents.read_json(run.control_path / NOTE, MOST_BYTES)
        return Record(str(noted["job"]), str(noted["copy"]), tuple(map(str, noted.get("secrets") or ())))
    except (KeyError, TypeError) as fault:
        raise UserError("does not name its job", place=f"{run.name}/control/{NOTE}") from fault


def has(run: RunDir) -> bool:
    """Return True if a run was started by SkyPilot."""
    return not paths.gone(run.control_path / NOTE)


def task_directory(run: RunDir) -> Path:
    """Return the directory that `sky` takes along."""
    return run.control_path / TASK
