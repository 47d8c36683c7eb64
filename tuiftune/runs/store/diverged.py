"""A note in the run directory that it has diverged: nothing resumes it until a setting is changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class Noted:
    """What a diverged run left behind.

    Attributes:
        step: of the checkpoint to go on from; None for the base model.
        why: what is to be told, with the learning rate to try.
        settled: True once the settings were changed for the run to go on.
    """

    step: int | None
    why: str
    settled: bool = False


def note(run: RunDir, noted: Noted) -> None:
    """Leave the note."""
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    document = {"step": noted.step, "why": noted.why, "settled": noted.settled}
    write_text(_path(run), json.dumps(document) + "\n")


def noted(run: RunDir) -> Noted | None:
    """Return the note; None if the run has not diverged, or the note cannot be read."""
    try:
        document = documents.read_json(_path(run))
        step = document["step"]
        return Noted(None if step is None else int(step), str(document["why"]), document["settled"] is True)
    except (UserError, ValueError, KeyError, TypeError):
        return None


def settle(run: RunDir) -> None:
    """Let the run go on from the noted checkpoint."""
    if (found := noted(run)) is not None:
        note(run, Noted(found.step, found.why, settled=True))


def clear(run: RunDir) -> None:
    """Take the note away: the run has gone on."""
    _path(run).unlink(missing_ok=True)


def _path(run: RunDir) -> Path:
    return run.control_path / "diverged"
