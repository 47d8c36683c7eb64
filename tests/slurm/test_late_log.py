"""What Slurm says of a job, and what its log says, which a shared file system may show later."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tuiftune.jobs.backends import slurm
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def run_of(place: Path, silent: float) -> RunDir:
    """A run that another machine's process has, whose last event is so many seconds old."""
    path = place / "runs" / "tone"
    (path / "control").mkdir(parents=True)
    (path / "plan.json").write_text(json.dumps({"resolved": {"name": "tone"}}))
    (path / "control" / "slurm.json").write_text(json.dumps({"job": 7}))
    event = {"v": 1, "seq": 1, "t": time.time() - silent, "type": "step", "step": 3, "loss": 1.0}
    (path / "events.jsonl").write_text(json.dumps(event) + "\n")
    return RunDir(path)


@pytest.mark.parametrize(
    ("job", "silent", "state"),
    [
        ("RUNNING", 1, "running"),
        ("COMPLETED", 1, "running"),
        ("COMPLETED", 70, "died"),
        ("NODE_FAIL", 1, "running"),
        ("NODE_FAIL", 70, "died"),
        ("", 70, "died"),
        ("PENDING", 70, "queued"),
    ],
)
def test_last_words_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, silent: float, state: str
) -> None:
    monkeypatch.setattr(slurm, "_state", lambda number: (job, "Resources"))
    seen = slurm.BACKEND.status(run_of(tmp_path, silent))
    assert seen.state == state
    if state == "died":
        assert "job 7 is" in seen.why
