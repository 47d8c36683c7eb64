"""A part of a long run read again: every point of it, in place of those that its state keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tuiftune.runs.log import stretch
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import serialize
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS = 24_000
SPIKE = 17_123


def loss(step: int, again: bool = False) -> float:
    return 50.0 if step == SPIKE else 2.0 + math.sin(step / 7) + (0.5 if again else 0.0)


def events(resumed_at: int = 0, back_to: int = 0) -> Iterator[dict[str, object]]:
    """A step a second and a card's reading every five; a crash and a resume where that is asked for."""
    yield {"type": "start", "run": "long", "total_steps": STEPS}
    again = False
    step = 0
    while step < STEPS:
        step += 1
        yield {
            "type": "step",
            "step": step,
            "loss": loss(step, again),
            "lr": 1e-4,
            "grad_norm": 1.0,
            "tokens": step * 512,
            "tokens_per_second": 480.0 + step % 7,
        }
        if step % 5 == 0:
            yield {
                "type": "gpu",
                "gpus": [{"index": 0, "name": "H200", "utilisation": step % 90}],
                "cpu": 3.0,
            }
        if step == resumed_at and not again:
            again, step = True, back_to
            yield {"type": "start", "run": "long", "total_steps": STEPS, "resumed_from": back_to}


def written(path: Path, resumed_at: int = 0, back_to: int = 0) -> Path:
    with path.open("wb") as file:
        t = 1.7e9
        for seq, event in enumerate(events(resumed_at, back_to), start=1):
            t += event["type"] == "step"
            file.write(serialize({"v": 1, "seq": seq, "t": t, **event}))
    return path


def folded(path: Path) -> RunState:
    state = RunState()
    for event in EventReader(path).poll(thin=True):
        state.fold(event)
    return state


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("long") / "events.jsonl")


@pytest.fixture(scope="module")
def state(log: Path) -> RunState:
    return folded(log)


def test_every_step_of_a_part_is_there_with_its_own_value(log: Path, state: RunState) -> None:
    first, last = 17_000, 17_200
    assert stretch.wanted(state, first, last)
    found = stretch.read(log, stretch.part(state, first, last))
    assert found is not None
    near = found.within(state)
    points = [(x, y) for x, y in near.curves["loss"].points() if first <= x <= last]
    assert points == [(float(step), loss(step)) for step in range(first, last + 1)]
    assert not stretch.wanted(near, first, last)
    assert near.curves["loss"].points()[:500] == state.curves["loss"].points()[:500], (
        "the rest is as it was kept"
    )
    assert near.curves["loss"].last == state.curves["loss"].last


def test_gpus_come_along_at_their_own_times(log: Path, state: RunState) -> None:
    found = stretch.read(log, stretch.part(state, 9_000, 9_050))
    assert found is not None
    near = found.within(state)
    seen = [(x, y) for x, y in near.gpu_curves[0].curves["utilisation"].points() if 9_000 <= x <= 9_050]
    assert [y for _, y in seen] == [float(step % 90) for step in range(9_000, 9_051, 5)]
    assert [x for x, _ in seen] == pytest.approx(list(range(9_000, 9_051, 5)))


def test_a_long_part_keeps_its_spike(log: Path, state: RunState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "WHOLE_BYTES", 64 * 1024)
    found = stretch.read(log, stretch.part(state, 14_000, 20_000))
    assert found is not None
    assert (float(SPIKE), 50.0) in found.within(state).curves["loss"].points()
    assert found.part.covers(14_000, 20_000)
    assert not found.part.covers(17_000, 17_100), "closer by far than it was read"


def test_steps_that_a_resume_repeated_are_those_of_the_second_time(tmp_path: Path) -> None:
    log = written(tmp_path / "events.jsonl", resumed_at=12_000, back_to=11_800)
    state = folded(log)
    found = stretch.read(log, stretch.part(state, 11_850, 11_900))
    assert found is not None
    points = dict(found.within(state).curves["loss"].points())
    assert [points[float(step)] for step in range(11_850, 11_901)] == [
        loss(step, again=True) for step in range(11_850, 11_901)
    ]


def test_what_a_replay_has_not_come_to_is_left_out(log: Path) -> None:
    state = RunState()
    for event in EventReader(log).poll(thin=True):
        if event["seq"] <= 6_000:
            state.fold(event)
    found = stretch.read(log, stretch.part(state, state.step - 100, state.step + 100))
    assert found is not None
    assert found.state.seq <= 6_000


def test_nothing_comes_of_a_part_that_is_too_long_or_was_given_up(
    log: Path, state: RunState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stretch.read(log, stretch.part(state, 100, 200), lambda: False) is None
    assert stretch.read(tmp_path / "gone.jsonl", stretch.part(state, 100, 200)) is None
    monkeypatch.setattr(stretch, "MOST_BYTES", 1024)
    assert stretch.read(log, stretch.part(state, 1_000, 9_000)) is None
