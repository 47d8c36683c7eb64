"""Another backend is one file: it is found, told to train, asked and stopped like this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs import backend, backends
from tuiftune.jobs.backends.local import Local

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

FILE = '''
"""Somewhere that keeps what it was told beside the run."""

from tuiftune.runs.state.liveness import Vitals


class Beside:
    def submit(self, job, run):
        (run.path / "submitted").write_text(" ".join(job.command()[3:]))
        return 17

    def status(self, run):
        return Vitals("running", pid=17)

    def stop(self, run, by, *, kill=False):
        (run.path / "stopped").write_text(by)
        return True

    def stream(self, run):
        yield [{"type": "step", "step": 1}]


BACKEND = Beside()
'''


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    from tuiftune.runs.store.directory import create

    return create(tmp_path, "one", "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n", {"resolved": {}})


def test_a_file_is_a_backend(tmp_path: Path, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "backends"
    room.mkdir()
    (room / "beside.py").write_text(FILE)
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(room)])
    assert backend.names() == ["beside", "local", "sky", "slurm", "ssh"]
    (run.checkpoints_path / "checkpoint-3").mkdir()
    assert backend.train(run, force=True, on="beside") == 17
    assert (run.path / "submitted").read_text() == f"tuiftune.engine train {run.path} --resume --force"
    assert backend.of(run).status(run).pid == 17
    assert backend.stop(run, "a test")
    assert (run.path / "stopped").read_text() == "a test"
    assert [len(events) for events in backend.of(run).stream(run)] == [1]


def test_a_run_that_was_submitted_nowhere_is_of_this_machine(run: RunDir) -> None:
    assert isinstance(backend.of(run), Local)


def test_a_backend_that_is_not_there_is_one_line(run: RunDir) -> None:
    with pytest.raises(UserError, match=r"moon: unknown backend\. Use one of: local"):
        backend.train(run, on="moon")
    assert not (run.control_path / "backend").exists()


def test_each_backend_says_what_it_offers_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm and SkyPilot where their programs are, ssh the hosts that its configuration names."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("HOME", str(home))
    assert backend.offered() == []
    for name in ("sbatch", "sky", "squeue", "scancel"):
        assert "slurm" not in backend.offered(), "not all of its programs are here"
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (home / ".ssh" / "config").write_text("Host box gpu-2\n  User me\nHost *.lab !old\nhost last\n")
    assert backend.offered() == ["sky", "slurm", "ssh:box", "ssh:gpu-2", "ssh:last"]
