"""Means of a curve and their smoothing, and the series a chart of a run is drawn from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tuiftune.runs.state.means import Means, smoothed
from tuiftune.runs.state.run_state import RunState

RECORDED = Path(__file__).parents[1] / "fixtures"


def test_few_points_are_kept_as_they_are_and_many_as_means_of_all() -> None:
    few = Means(10)
    for x in range(8):
        few.add(x, float(x))
    assert [(x, y) for x, y, _ in few.points()] == [(x, float(x)) for x in range(8)]
    many = Means(16)
    values = [random.Random(4).gauss(3, 2) for _ in range(5000)]
    for x, y in enumerate(values):
        many.add(x, y)
    kept = many.points()
    assert len(kept) <= 16
    assert sum(points for *_, points in kept) == 5000
    assert sum(y * points for _, y, points in kept) / 5000 == pytest.approx(fmean(values))
    assert kept[-1][0] == 4999


def test_one_spike_moves_a_mean_by_its_share_only() -> None:
    means = Means(4)
    for x in range(64):
        means.add(x, 100.0 if x == 20 else 1.0)
    assert max(y for _, y, _ in means.points()) < 20


def test_going_back_replaces_what_was_seen_from_there_on() -> None:
    means = Means(100)
    for x in range(1, 11):
        means.add(x, 5.0)
    means.add(7, 1.0)
    assert [(x, y) for x, y, _ in means.points()] == [*((x, 5.0) for x in range(1, 7)), (7, 1.0)]


def test_a_bucket_of_many_weighs_as_its_points_do() -> None:
    one_by_one = smoothed([(x, 4.0 if x < 1 else 2.0, 1.0) for x in range(9)], 5)
    at_once = smoothed([(0, 4.0, 1.0), (8, 2.0, 8.0)], 5)
    assert at_once[-1][1] == pytest.approx(one_by_one[-1][1])
    assert smoothed([(0, 4.0, 1.0), (1, 2.0, 1.0)], 1) == [(0, 4.0), (1, 2.0)]


def test_the_smoothing_of_the_state_comes_out_of_its_means_too() -> None:
    state = _folded("demo")
    span = max(5.0, 0.02 * (state.total_steps or 0))
    again = smoothed(state.means["loss"].points(), span)
    assert again[-1] == pytest.approx(state.smooth_curve.last)


def test_a_recorded_run_of_a_gpu_gives_every_series_a_chart_needs() -> None:
    state = _folded("h200-lora")
    assert len(state.time_curves["device"]) >= 2
    assert state.time_curves["device"].highest < state.memory.predicted  # type: ignore[operator]
    gpu = state.gpu_curves[0]
    assert len(gpu.curves["utilisation"]) == len(gpu.curves["throttle"]) > 5
    assert gpu.curves["throttle"].highest == 0.0
    assert state.curves["tokens"].last == (20, state.tokens)
    seconds = state.seconds_curve.values()
    assert seconds == sorted(seconds)


def test_throttled_readings_are_counted_by_cause_and_kept_over_time() -> None:
    state = RunState()
    for at, throttle in enumerate([[], ["power cap"], ["power cap", "thermal"], []]):
        event: dict[str, Any] = {"v": 1, "seq": at, "t": 100.0 + at, "type": "gpu"}
        state.fold({**event, "gpus": [{"index": 3, "utilisation": 90, "throttle": throttle}]})
    assert state.gpu_curves[3].curves["throttle"].points() == [(0, 0), (1, 1), (2, 1), (3, 0)]
    assert state.gpu_curves[3].causes == {"power cap": 2, "thermal": 1}


def _folded(name: str) -> RunState:
    state = RunState()
    with (RECORDED / name / "events.jsonl").open() as file:
        for line in file:
            state.fold(json.loads(line))
    return state
