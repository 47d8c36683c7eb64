"""Runs to test with: their register is kept apart, and no process outlives its test."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from runs_kit import ENGINE

from tuiftune.errors import UserError
from tuiftune.jobs.backends import local
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir, create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRESET = "version: 1\nname: try\nmodel:\n  base: builtin:tiny\ndata:\n  train: builtin:tickets\n"


@pytest.fixture(autouse=True)
def own_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TUIFTUNE_RUNS", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def new_run(root: Path) -> Iterator[Callable[..., RunDir]]:
    made: list[RunDir] = []

    def new(name: str = "try", under: Path | None = None) -> RunDir:
        made.append(create(under or root, name, PRESET, {"fits": True, "resolved": {}}))
        return made[-1]

    yield new
    for run in made:
        with suppress(UserError):  # a stranger's process, which a test has named
            control.kill(run)
    for process in local._children.values():
        process.kill()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunDir, str], int]:
    """Launch the engine stand-in on a run."""

    def begin(run: RunDir, mode: str) -> int:
        return local.launch(run, [sys.executable, str(ENGINE), str(run.path), mode])

    return begin
