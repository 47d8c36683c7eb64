"""What a run on another machine is taken for here, by what was heard of it: whatever its clock says."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import elsewhere
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


def run_of(place: Path, *events: dict[str, Any], ahead: float = 0.0, old: float = 0.0) -> RunDir:
    """A copied run: events of a clock that is `ahead`, the last of which arrived `old` seconds ago."""
    path = place / "tone"
    path.mkdir()
    (path / "plan.json").write_text("{}")
    now = time.time()
    lines = [{"v": 1, "seq": seq, "t": now + ahead - old, **event} for seq, event in enumerate(events)]
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path / "events.jsonl", (now - old, now - old))
    return RunDir(path)


STEP = {"type": "step", "step": 3, "loss": 1.0}
END = {"type": "end", "state": "stopped", "exit_code": 4, "why": "asked"}


@pytest.mark.parametrize("ahead", [-2 * HOUR, 0.0, 2 * HOUR])
def test_a_clock_that_is_wrong_does_not_matter(tmp_path: Path, ahead: float) -> None:
    run = run_of(tmp_path, STEP, ahead=ahead, old=5)
    elsewhere.keep(run, Elsewhere("pod", "running", time.time()))
    seen = vitals(run)
    assert (seen.state, seen.silent, seen.why) == ("running", False, "on pod")
    assert seen.silent_for == pytest.approx(5, abs=2)


def test_silence_there_is_told_but_not_that_of_a_lost_line(tmp_path: Path) -> None:
    run = run_of(tmp_path, STEP, old=200)
    elsewhere.keep(run, Elsewhere("pod", "running", time.time()))
    assert vitals(run).silent
    elsewhere.keep(run, Elsewhere("pod", "running", time.time() - 200, trouble="pod: cannot be reached"))
    seen = vitals(run)
    assert (seen.running, seen.silent, seen.line_lost, seen.why) == (
        True,
        False,
        True,
        "pod: cannot be reached",
    )
    elsewhere.keep(run, Elsewhere("pod", "running", time.time() - 2 * HOUR))
    assert vitals(run).why == "last heard from pod 120 min ago"


def test_how_it_ended(tmp_path: Path) -> None:
    run = run_of(tmp_path, STEP, END)
    size = (run.path / "events.jsonl").stat().st_size
    elsewhere.keep(run, Elsewhere("pod", "over", time.time()))
    assert (vitals(run).state, vitals(run).exit_code) == ("stopped", 4)
    elsewhere.keep(run, Elsewhere("pod", "starting", time.time(), log_size=size))
    assert (vitals(run).state, vitals(run).why) == ("running", "starting on pod"), "it was resumed"
    for state in ("died", "gone"):
        elsewhere.keep(run, Elsewhere("pod", state, time.time(), why="no answer", log_size=size))
        assert (vitals(run).state, vitals(run).why, vitals(run).exit_code) == (state, "no answer", 1)


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    run = run_of(tmp_path, STEP)
    (run.path / "control").mkdir()
    for text in ("", "[]", '{"host": "pod"}', '{"host": "pod", "state": "odd", "heard": 1}'):
        (run.path / "control" / elsewhere.NOTE).write_text(text)
        assert elsewhere.known(run) is None
