"""The folded state: what a log comes to, however long, odd or repeated its events are."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.plan.planned import NOTHING
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.thin import MEANS
from tuiftune.runs.log.writer import EventWriter, serialize
from tuiftune.runs.state.narrate import Narrator, step_line
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.state.series import Series
from tuiftune.runs.status import machine
from tuiftune.tui.dashboard.log_panel import entry

if TYPE_CHECKING:
    from pathlib import Path


def folded(*events: dict[str, Any]) -> RunState:
    state = RunState()
    for seq, event in enumerate(events, 1):
        state.fold({"v": 1, "seq": seq, "t": float(seq), **event})
    return state


def step(number: int, loss: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {"type": "step", "step": number, "loss": loss, **more}


def test_a_run_from_start_to_end() -> None:
    state = folded(
        {"type": "start", "run": "x", "model": "m", "technique": "lora", "total_steps": 4, "trainable": 5},
        {"type": "phase", "name": "scoring_before", "detail": ""},
        {"type": "eval", "step": 0, "loss": 2.0, "perplexity": 7.4, "when": "before"},
        {"type": "score", "step": 0, "when": "before", "exact_match": 0.25, "matched": 1, "rows": 4},
        {"type": "phase", "name": "training", "detail": ""},
        step(1, 1.9, lr=1e-4, grad_norm=0.5, tokens_per_second=100.0),
        step(2, 1.5, lr=9e-5, grad_norm=0.4, tokens_per_second=120.0),
        {"type": "eval", "step": 2, "loss": 1.4, "perplexity": 4.1, "when": "during"},
        step(3, 1.2),
        {"type": "eval", "step": 3, "loss": 1.6, "perplexity": 4.9, "when": "during"},
        {"type": "checkpoint", "step": 3, "path": "checkpoints/3", "bytes": 10, "seconds": 0.1},
        {"type": "score", "step": 3, "when": "after", "exact_match": 0.75, "matched": 3, "rows": 4},
        {"type": "end", "state": "done", "exit_code": 0, "why": ""},
    )
    assert (state.step, state.total_steps, state.progress) == (3, 4, 0.75)
    assert state.best is not None
    assert (state.best.step, state.best.loss) == (2, 1.4)
    assert state.score_before is not None
    assert state.score_after is not None
    assert (state.score_before.matched, state.score_after.matched) == (1, 3)
    assert state.curves["eval_loss"].points() == [(0, 2.0), (2, 1.4), (3, 1.6)]
    assert state.curves["lr"].values() == [1e-4, 9e-5]
    assert state.values.get("tokens_per_second") == 120.0
    assert state.seconds == 12.0
    assert state.phases["scoring_before"] == 3.0
    assert state.end is not None
    assert state.eta.seconds == 0.0


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": 7},
        {"type": "invented", "x": 1},
        {"type": "step"},
        {"type": "step", "step": "three", "loss": []},
        {"type": "gpu", "gpus": {"a": 1}},
        {"type": "gpu", "gpus": [None, {"index": "x", "throttle": "hot"}]},
        {"type": "eval", "loss": True, "when": 4},
        {"type": "end"},
        {"type": "start", "total_steps": -1e400, "resumed_from": {"a": 1}},
        {"type": "phase", "name": None, "done": "x"},
        {"type": "step", "step": 1, "t": "noon", "seq": "one"},
        {"type": "links", "processes": "two", "hosts": 3, "bytes_per_second": "fast", "peer_access": 1},
        {"type": "hung", "stuck": [], "processes": {"rank": 1}},
        {"type": "hung", "stuck": 1, "processes": [7, {"rank": 1, "stack": [None, {}]}]},
    ],
)
def test_a_strange_event_harms_nothing(event: dict[str, Any]) -> None:
    state = RunState()
    state.fold(event)
    assert "\n" not in (Narrator().tell(event, state) or "")
    assert list(machine.facts(state, NOTHING)) is not None
    state.fold({"type": "step", "step": 2, "loss": 1.0, "t": 5.0})
    assert state.step == 2
    assert state.eta.basis


LINKS = {"type": "links", "processes": 2, "hosts": ["a"], "backend": "nccl", "expected": 3.4e11}


@pytest.mark.parametrize(
    ("more", "line", "level"),
    [
        (
            {"bytes_per_second": 2.98e11, "peer_access": True},
            "298 GB/s measured, 340 GB/s expected, direct between GPUs (NCCL)",
            "",
        ),
        (
            {"bytes_per_second": 4.1e9, "peer_access": False},
            "4.1 GB/s measured, 340 GB/s expected, without peer access between GPUs (NCCL)",
            "warning",
        ),
        (
            {"bytes_per_second": 1.2e9, "expected": None, "hosts": ["a", "b"], "backend": "gloo"},
            "1.2 GB/s measured, over 2 machines (gloo)",
            "",
        ),
    ],
)
def test_the_links_are_told_and_slow_ones_stand_out(more: dict[str, Any], line: str, level: str) -> None:
    state = folded(LINKS | more)
    assert Narrator().tell(LINKS | more, state) == f"0:00:00  between 2 processes: {line}"
    (fact,) = machine.facts(state, NOTHING)
    assert (fact.name, fact.value, fact.level) == ("links", line, level)


def test_text_from_a_log_cannot_reach_the_terminal_as_control_characters() -> None:
    state = folded(
        {"type": "phase", "name": "load\x1b[2Jing", "detail": "\x07"},
        {"type": "warning", "code": "x", "message": "\x1b]0;owned\x07", "remedy": "\u202eevil"},
        {"type": "end", "state": "failed", "exit_code": 1, "why": "\x9b31m"},
    )
    assert state.end is not None
    shown = [
        state.phase.name,
        state.phase.detail,
        state.warnings[0].message,
        state.warnings[0].remedy,
        state.end.why,
    ]
    assert all(text.isprintable() and "\x1b" not in text for text in shown)


def test_a_resume_replaces_the_steps_it_repeats() -> None:
    before = [step(number, 10.0 - number) for number in range(1, 9)]
    state = folded(*before, {"type": "end", "state": "stopped", "exit_code": 4, "why": ""})
    state.fold({"type": "start", "run": "x", "total_steps": 20, "resumed_from": "checkpoint-4", "t": 1000.0})
    assert state.end is None
    for number in range(5, 12):
        state.fold({**step(number, 1.0), "t": 1000.0 + number})
    assert [x for x, _ in state.curves["loss"]] == list(range(1, 12))
    assert state.curves["loss"].points()[3:6] == [(4, 6.0), (5, 1.0), (6, 1.0)]
    assert state.starts == 1
    assert state.seconds == 8.0 + 11.0  # the time between the two is not running time


def test_a_clock_that_goes_back_counts_as_no_time() -> None:
    state = RunState()
    for t, number in ((100.0, 1), (110.0, 2), (50.0, 3), (60.0, 4)):
        state.fold({**step(number), "t": t})
    assert state.seconds == 20.0


def test_the_remaining_time_is_measured_and_says_so() -> None:
    state = folded({"type": "start", "total_steps": 100}, {"type": "phase", "name": "training"})
    assert state.eta.seconds is None
    for number in range(1, 11):
        state.fold({**step(number), "t": 2.0 + 3.0 * number})
    assert state.eta.seconds == pytest.approx(90 * 3.0)
    assert state.eta.basis == "mean of the last 9 steps"


def test_the_prediction_holds_until_twenty_steps_are_measured() -> None:
    start = {"type": "start", "total_steps": 100, "predicted_seconds": 500.0}
    state = folded(start, {"type": "phase", "name": "training"})
    assert (state.eta.seconds, state.eta.basis) == (500.0, "predicted; measured after 20 steps")
    for number in range(1, 21):
        state.fold({**step(number), "t": 2.0 + 3.0 * number})
    assert state.eta.seconds == pytest.approx(400.0)
    assert step_line(state).endswith("about 7 min left (predicted)")
    state.fold({**step(21), "t": 65.0})
    assert state.eta.seconds == pytest.approx(79 * 3.0)
    assert state.eta.basis == "mean of the last 20 steps"
    assert step_line(state).endswith("about 4 min left (measured)")
    state.fold({"type": "phase", "name": "saving"})
    assert state.eta.seconds == pytest.approx(79 * 3.0), "a checkpoint on the way is no end"
    state.fold({"type": "phase", "name": "scoring_after"})
    assert state.eta.seconds is None


def test_not_a_number_is_kept_as_such(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl")
    writer.emit("step", step=1, loss=1.0)
    writer.emit("step", step=2, loss=float("nan"))
    state = RunState()
    for event in EventReader(writer.path).poll():
        state.fold(event)
    assert (state.not_a_number_at, state.loss, state.smooth_loss) == (2, None, 1.0)


def test_repeated_warnings_are_counted_not_listed() -> None:
    warning = {"type": "warning", "code": "slow", "message": "slow disk", "remedy": "wait"}
    state = folded(*[warning] * 500)
    assert [(warned.code, warned.times) for warned in state.warnings] == [("slow", 500)]


def test_the_state_of_a_long_run_stays_small() -> None:
    state = RunState()
    for number in range(1, 30_001):
        state.fold({**step(number, 1.0, lr=1e-4), "t": float(number)})
    assert len(state.curves["loss"]) <= 2001
    assert state.curves["loss"].last == (30_000, 1.0)


def test_a_series_keeps_its_extremes_and_its_end() -> None:
    series = Series(buckets=50)
    values = [random.Random(4).random() for _ in range(10_000)]
    values[1234], values[8765] = 9.0, -9.0
    for x, y in enumerate(values):
        series.add(float(x), y)
    points = series.points()
    assert len(points) <= 101
    assert (1234.0, 9.0) in points
    assert (8765.0, -9.0) in points
    assert points[-1] == (9999.0, values[-1])
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_points_are_the_same_however_often_they_were_asked_for() -> None:
    asked, unasked = Series(buckets=50), Series(buckets=50)
    drawn = random.Random(5)
    for number in range(2_000):
        x = float(number if number < 1_500 else number - 300)  # resumed from an earlier step once
        y = drawn.random()
        for series in (asked, unasked):
            series.add(x, y)
        assert len(asked) == len(asked.points())
    assert asked.points() == unasked.points()


def write_log(path: Path, events: int, spike: int) -> None:
    with path.open("wb") as file:
        for seq in range(1, events + 1):
            common = {"v": 1, "seq": seq, "t": 1.7e9 + seq}
            if seq % 5 == 0:
                event = {"type": "gpu", "gpus": [{"index": 0, "name": "H200", "utilisation": 90}], "cpu": 3.0}
            elif seq % 10_000 == 1:
                event = {
                    "type": "eval",
                    "step": seq,
                    "loss": 1.0 + 1 / seq,
                    "perplexity": 2.7,
                    "when": "during",
                }
            else:
                loss = 99.0 if seq == spike else 1.0 + 1.0 / seq
                event = {
                    "type": "step",
                    "step": seq,
                    "loss": loss,
                    "lr": 1e-4,
                    "grad_norm": 0.5,
                    "tokens": seq,
                }
            file.write(serialize({**common, **event}))


def test_a_long_log_is_opened_by_parts_and_comes_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_log(path, 60_000, spike=43_456)
    thin, whole = EventReader(path), EventReader(path)
    few, short = thin.poll(thin=True), RunState()
    for event in few:
        short.fold(event)
    full = RunState()
    while events := whole.poll():
        for event in events:
            full.fold(event)
    assert len(few) < 10_000
    assert any(MEANS in event for event in few)
    assert short.step == full.step
    assert short.best == full.best
    assert len(short.evaluations) == len(full.evaluations) == 6
    assert (43_456, 99.0) in short.curves["loss"].points()
    assert short.smooth_loss == pytest.approx(full.smooth_loss, rel=1e-3)
    assert short.seconds == full.seconds
    assert thin.poll(thin=True) == []


def test_damage_within_a_long_log_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_log(path, 40_000, spike=5)
    data = bytearray(path.read_bytes())
    middle = data.index(b"\n", len(data) // 2)
    data[middle + 20 : middle + 4000] = b"\0" * 3980
    path.write_bytes(bytes(data))
    reader, state = EventReader(path), RunState()
    for event in reader.poll(thin=True):
        state.fold(event)
    assert state.step == 39_999
    assert reader.skipped >= 1


def test_a_successor_at_work_ends_the_end() -> None:
    state = folded(step(3), {"type": "end", "state": "stopped", "exit_code": 4, "why": ""})
    state.fold({"type": "phase", "name": "loading", "detail": "", "t": 9000.0})
    assert state.end is None
    assert state.seconds == 1.0


@pytest.mark.parametrize(("phase", "key"), [("preflight", "preflight"), ("rehearsing", "rehearsal")])
def test_a_preflight_check_is_known_by_its_earlier_name_too(phase: str, key: str) -> None:
    state = folded({"type": "phase", "name": phase}, {"type": "memory", "device": 3, key: True})
    assert state.phase.name == "preflight"
    assert state.preflight.device == 3


@pytest.mark.parametrize(
    ("count", "said"), [(1, "generated 1 sample answer"), (3, "generated 3 sample answers")]
)
def test_one_answered_row_is_one_row(count: int, said: str) -> None:
    event = {"type": "samples", "seq": 1, "t": 1.0, "when": "during", "count": count, "file": "samples.jsonl"}
    line = Narrator().tell(event, folded(event)) or ""
    shown = entry(event)
    assert said in line
    assert shown is not None
    assert said in shown[2]


def test_details_of_earlier_logs_are_said_in_todays_words() -> None:
    state = RunState()
    state.fold({"v": 1, "seq": 1, "t": 1.0, "type": "phase", "name": "evaluating", "detail": "held-out loss"})
    assert state.phase.detail == "eval loss"
