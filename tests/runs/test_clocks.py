"""Clocks that are set while a run goes on, and machines that sleep: durations stay what they were."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.reports import metrics_table
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

STEPS = 40
# At the 20th step: NTP sets the clock, or the machine slept (its monotonic clock stood still meanwhile).
JUMPS = {"forward": 86_400.0, "back": -86_400.0, "a little back": -3.5, "asleep": 30_000.0, "none": 0.0}


@pytest.mark.parametrize("jump", JUMPS)
def test_durations_are_those_of_a_clock_that_nobody_sets(
    new_run: Callable[..., RunDir], monkeypatch: pytest.MonkeyPatch, jump: str
) -> None:
    state = {"offset": 1_700_000_000.0, "clock": 5000.0}

    def tick() -> float:
        state["clock"] += 0.5
        return state["clock"]

    monkeypatch.setattr("tuiftune.runs.log.writer.time.time", lambda: state["offset"] + state["clock"])
    monkeypatch.setattr("tuiftune.runs.log.writer.time.monotonic", tick)
    run = new_run()
    writer = EventWriter(run.events_path)
    writer.emit("start", total_steps=STEPS)
    writer.emit("phase", name="training")
    for step in range(1, STEPS + 1):
        if step == STEPS // 2:
            state["offset"] += JUMPS[jump]
        writer.emit("step", step=step, loss=1.0, lr=1e-4)
    writer.close()
    monkeypatch.undo()
    folded = RunState()
    for event in EventReader(run.events_path).poll():
        folded.fold(event)
    assert folded.seconds == pytest.approx(0.5 * (STEPS + 1))
    assert folded.pace.seconds_per_step == pytest.approx(0.5)
    assert folded.phases["training"] == pytest.approx(0.5 * STEPS)
    assert folded.last_at is not None
    assert folded.last_at > 1_600_000_000  # the time of day stays the time of day


def test_logs_of_earlier_versions_are_told_by_their_time_of_day(tmp_path: Path) -> None:
    lines = [{"v": 1, "seq": n, "t": 100.0 + 2 * n, "type": "step", "step": n, "loss": 1.0} for n in range(9)]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folded = RunState()
    for event in EventReader(path).poll():
        folded.fold(event)
    assert folded.seconds == 16.0


def test_every_event_has_both(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl")
    writer.emit("heartbeat", step=1, phase="training")
    writer.close()
    (event,) = EventReader(tmp_path / "events.jsonl").poll()
    assert abs(event["t"] - time.time()) < 60
    assert abs(event["clock"] - time.monotonic()) < 60


def test_a_table_of_measurements_goes_by_the_same_clock(new_run: Callable[..., RunDir]) -> None:
    run = new_run()
    days = (100.0, 101.0, 90_000.0, 90_001.0)  # set forward between the first and the second step
    lines: list[dict[str, object]] = [{"type": "start", "total_steps": 3}]
    lines += [{"type": "step", "step": step, "loss": 1.0} for step in (1, 2, 3)]
    run.events_path.write_text(
        "".join(
            json.dumps({"v": 1, "seq": n, "t": days[n], **line, "clock": 10.0 + n}) + "\n"
            for n, line in enumerate(lines)
        )
    )
    assert [row["seconds"] for row in metrics_table.Table.of(run).rows()] == [1.0, 2.0, 3.0]
