"""Studies of a tiny preset, whose trials are run by the engine's stand-in."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs.backends import local
from tuiftune.preset.schema import Preset
from tuiftune.runs.store import control
from tuiftune.runs.store.find import study_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.runs.store.directory import RunDir

TRIAL = Path(__file__).with_name("fake_trial.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def preset(tmp_path: Path) -> Preset:
    rows = tmp_path / "rows.jsonl"
    lines = [json.dumps({"prompt": f"say {one}", "completion": f"it is {one}"}) for one in range(40)]
    rows.write_text("\n".join(lines) + "\n")
    return Preset.model_validate(
        {
            "name": "mine",
            "model": {"base": "builtin:tiny"},
            "data": {"train": str(rows), "eval": 0.25, "max_length": 64},
            "training": {"learning_rate": 0.005},
        }
    )


@pytest.fixture(autouse=True)
def quick(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Trials by the stand-in. Yields the seconds that a quarter of one takes, to be changed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    pause = [0.0]

    def train(run: RunDir, **rest: object) -> int:
        return local.launch(run, [sys.executable, str(TRIAL), str(run.path), str(pause[0])])

    monkeypatch.setattr("tuiftune.jobs.backend.train", train)
    monkeypatch.setattr("tuiftune.jobs.study.study.POLL_SECONDS", 0.02)
    yield pause
    for run in study_runs(root):
        with suppress(UserError):
            control.kill(run)
