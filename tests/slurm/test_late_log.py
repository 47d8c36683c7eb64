"""What Slurm says of a job, and what its log says, which a shared file system may show later."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.jobs import slurm_commands, starting
from tuiftune.jobs.backends import slurm
from tuiftune.jobs.slurm_request import elsewhere
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
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
    monkeypatch.setattr(slurm_commands, "state", lambda number: (job, "Resources"))
    seen = slurm.BACKEND.status(run_of(tmp_path, silent))
    assert seen.state == state
    if state == "died":
        assert "job 7 is" in seen.why


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Slurm's commands, each a script that says so."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm_commands, "STALE_SECONDS", -1.0)

    def answer(**says: str) -> None:
        for name, script in says.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return answer


DOWN = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"


def test_a_controller_that_does_not_answer_ends_no_run(tmp_path: Path, programs: Callable[..., None]) -> None:
    """It restarts now and then; the log, on the directory that is shared, goes on."""
    programs(squeue=DOWN)
    run = run_of(tmp_path, silent=1)
    assert slurm.BACKEND.status(run).state == "running"
    run.events_path.unlink()
    seen = slurm.BACKEND.status(run)
    assert (seen.state, seen.why) == (
        "queued",
        "job 7 of Slurm, which cannot be asked: slurm_load_jobs error: Unable to contact slurm controller "
        "(connect failure)",
    )


@pytest.mark.parametrize(
    "job", ["SIGNALING", "RESIZING", "STOPPED", "STAGE_OUT", "SPECIAL_EXIT", "REQUEUE_FED"]
)
def test_a_job_that_is_not_over_is_not_called_so(
    tmp_path: Path, programs: Callable[..., None], job: str
) -> None:
    programs(squeue=f"echo '{job}|None'")
    assert slurm.BACKEND.status(run_of(tmp_path, silent=70)).state != "died"


@pytest.mark.parametrize("says", ["echo 7", "echo '7;main'", "echo 'Welcome!'; echo; echo '7;main'"])
def test_the_number_of_a_job_is_found_after_a_greeting(
    tmp_path: Path, programs: Callable[..., None], says: str
) -> None:
    run = run_of(tmp_path, silent=70)
    (run.control_path / "slurm.json").unlink()
    programs(sbatch=says)
    assert slurm.BACKEND.submit(Job("train", run=run.path), run) == 7


@pytest.mark.parametrize(("says", "left"), [("echo 'error: no' >&2; exit 1", False), ("echo thanks", True)])
def test_a_run_that_may_have_been_submitted_is_kept(
    tmp_path: Path, programs: Callable[..., None], says: str, left: bool
) -> None:
    run = run_of(tmp_path, silent=70)
    (run.control_path / "slurm.json").unlink()
    programs(sbatch=says)
    with pytest.raises(UserError):
        starting.submit(run, "slurm")
    assert run.path.exists() is left


@pytest.mark.parametrize("option", ["keep_alive", "queue"])
def test_an_option_that_slurm_takes_over_is_named(option: str) -> None:
    place = "--" + option.replace("_", "-")
    with pytest.raises(UserError, match=rf"^{place}: Slurm .*[Ll]eave it out"):
        elsewhere("slurm", None, 1, **{option: True})
