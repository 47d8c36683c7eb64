"""A log played again: at any moment the state is what the events up to it come to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import UserError
from tuiftune.runs.state import replay
from tuiftune.runs.state.means import Means
from tuiftune.runs.state.replay import Replay
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).parents[1] / "fixtures"


def facts(state: RunState) -> tuple[object, ...]:
    return (
        state.seq,
        state.step,
        state.phase,
        state.best,
        state.end,
        state.curves["loss"].points(),
        state.smooth_curve.points(),
        state.means.get("loss", Means()).points(),
        list(state.evaluations),
        state.time_curves["cpu"].points(),
    )


def state_after(events: list[dict[str, object]]) -> RunState:
    state = RunState()
    for event in events:
        state.fold(event)
    return state


@pytest.mark.parametrize("name", ["demo", "h200-lora"])
def test_played_to_the_end_it_is_the_run_as_it_was(name: str) -> None:
    run = RunDir(RECORDED / name)
    events = [json.loads(line) for line in run.events_path.read_text().splitlines()]
    played = Replay.of(run)
    came = []
    for _ in range(10_000):
        came += played.advance(0.5)
        if played.over:
            break
    assert came == events
    assert facts(played.state) == facts(state_after(events))
    assert played.at == played.length == pytest.approx(played.state.seconds)


def test_every_moment_that_is_sought_is_the_state_of_the_events_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "KEYFRAME", 50)
    monkeypatch.setattr(replay, "AT_ONCE", 20)
    played = Replay.of(RunDir(RECORDED / "demo"))
    moments = [0.0, played.length, *(random.Random(5).uniform(-5, played.length + 5) for _ in range(40))]
    for moment in moments:
        before = played.at
        anew = played.seek(moment)
        assert anew or played.at >= before
        upto = [e for e, t in zip(played.events, played.times, strict=True) if t <= played.at]
        assert played.seen() == upto
        assert facts(played.state) == facts(state_after(upto))


def test_paused_nothing_comes_and_speed_is_how_much_comes() -> None:
    played = Replay.of(RunDir(RECORDED / "demo"))
    assert played.length / played.speed <= replay.AT_MOST
    played.playing = False
    assert played.advance(100) == []
    played.playing = True
    played.speed = 10
    played.advance(2)
    assert played.at == pytest.approx(20)
    played.faster(3)
    assert played.speed == 100
    played.faster(-99)
    assert played.speed == 1
    played.faster(99)
    assert played.speed == replay.SPEEDS[-1]


def test_a_run_without_events_has_nothing_to_play(new_run: Callable[..., RunDir]) -> None:
    with pytest.raises(UserError, match="nothing to replay"):
        Replay.of(new_run())
