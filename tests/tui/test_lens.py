"""Looking at charts: magnifying, moving, the cursor, scales and axes, without a screen."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tuiftune.runs.state.run_state import RunState
from tuiftune.tui.kit.chart import axis
from tuiftune.tui.kit.chart.axis import Scale
from tuiftune.tui.kit.chart.curves import BY_KEY, CURVES, Source, available, drawing
from tuiftune.tui.kit.chart.lens import Lens
from tuiftune.tui.kit.chart.plot import Layer, clipped, grid
from tuiftune.tui.kit.chart.timeline import Timeline, interpolated, latest, nearest
from tuiftune.tui.kit.glyphs import ASCII, UNICODE

WHOLE = (0.0, 100.0)
RECORDED = Path(__file__).parents[1] / "fixtures"


def folded(name: str) -> RunState:
    state = RunState()
    for line in (RECORDED / name / "events.jsonl").read_text().splitlines():
        state.fold(json.loads(line))
    return state


def test_magnified_about_the_cursor_and_back_to_all() -> None:
    lens = Lens(cursor=80.0).zoomed(4, WHOLE)
    first, last = lens.seen(WHOLE)
    assert last - first == pytest.approx(25)
    assert (80 - first) / 25 == pytest.approx(0.8), "what is under the cursor stays there"
    assert lens.zoomed(1 / 8, WHOLE).window is None
    deep = lens
    for _ in range(60):
        deep = deep.zoomed(2, WHOLE)
    first, last = deep.seen(WHOLE)
    assert last > first, "never down to nothing"


def test_panning_stops_at_the_ends() -> None:
    lens = Lens(window=(40.0, 60.0))
    assert lens.panned(0.5, WHOLE).window == (50.0, 70.0)
    assert lens.panned(9, WHOLE).window == (80.0, 100.0)
    assert lens.panned(-9, WHOLE).window == (0.0, 20.0)
    assert Lens().panned(1, WHOLE) == Lens()


def test_following_keeps_its_width_as_the_run_grows() -> None:
    lens = Lens(window=(60.0, 70.0)).following(WHOLE)
    assert lens.seen(WHOLE) == (90.0, 100.0)
    assert lens.seen((0.0, 150.0)) == (140.0, 150.0)
    assert lens.zoomed(2, (0.0, 150.0)).seen((0.0, 160.0)) == (155.0, 160.0)
    assert not lens.panned(-1, WHOLE).follow
    assert lens.following(WHOLE) == replace(lens, follow=False, window=(90.0, 100.0))


def test_the_cursor_stays_in_the_run_and_takes_the_window_along() -> None:
    lens = Lens(window=(10.0, 20.0))
    assert lens.pointed(25, WHOLE).window == (15.0, 25.0)
    assert lens.pointed(2, WHOLE).window == (2.0, 12.0)
    assert lens.pointed(900, WHOLE).cursor == 100.0
    assert lens.pointed(15, WHOLE).reset() == Lens()


def test_smoothing_goes_from_none_to_a_fifth_of_the_run() -> None:
    lens = Lens()
    assert lens.span(1000) == 20
    assert lens.smoother(-9).span(1000) == 0
    assert lens.smoother(9).span(1000) == 200
    assert lens.smoother(9).span(10) == 33


@pytest.mark.parametrize(
    ("first", "last", "count", "texts"),
    [
        (0, 117, 6, ["0", "30s", "1m", "1m30"]),
        (0, 7300, 5, ["0", "30m", "1h", "1h30", "2h"]),
        (0, 400_000, 4, ["0", "2d", "4d"]),
        (3.0, 4.0, 4, ["3s", "3.5s", "4s"]),
    ],
)
def test_times_are_round(first: float, last: float, count: int, texts: list[str]) -> None:
    assert [text for _, text in axis.times(first, last, count)] == texts


def test_steps_are_whole() -> None:
    assert [value for value, _ in axis.steps(0, 3, 8)] == [0, 1, 2, 3]


def test_a_logarithmic_scale_has_its_powers_and_no_place_for_nothing() -> None:
    scale = Scale(log=True)
    assert scale.place(0.0) is None
    assert scale.place(-1.0) is None
    assert [text for _, text in scale.marks(-3, 1, 5)] == ["0.001", "0.01", "0.1", "1", "10"]
    narrow = scale.marks(0.9, 1.1, 4)  # 8 to 12.6
    assert len(narrow) >= 3
    assert all(0.9 <= place <= 1.1 for place, _ in narrow)


def test_a_line_is_cut_where_it_crosses_the_window() -> None:
    line = Layer([0, 10, 20], [0.0, 10.0, 0.0], "good")
    part = clipped(line, 5, 12)
    assert list(zip(part.xs, part.ys, strict=True)) == [(5, 5.0), (10, 10.0), (12, 8.0)]
    between = clipped(line, 3, 4)
    assert list(zip(between.xs, between.ys, strict=True)) == [(3, 3.0), (4, 4.0)]
    assert list(clipped(replace(line, kind="dots"), 5, 12).xs) == [10]
    assert not clipped(line, 30, 40).xs


def test_levels_and_tags_are_signs_of_their_own() -> None:
    for glyphs in (UNICODE, ASCII):
        level = Layer([0.0], [5.0], "accent", "level")
        line = Layer([0, 9], [0.0, 9.0], "c1", tag="B")
        rows = grid([level, line], 20, 6, (0, 9, 0, 9), glyphs)
        cells = [cell for row in rows for cell in row]
        assert (glyphs.level, "accent") in cells
        assert ("B", "c1") in cells


def test_steps_times_and_tokens_lead_to_one_another() -> None:
    line = Timeline(folded("demo"))
    for step in (1.0, 50.0, 174.0):
        assert line.step("time", line.place("time", step)) == pytest.approx(step)
        assert line.step("tokens", line.place("tokens", step)) == pytest.approx(step)
        assert line.from_seconds("step", line.seconds("step", step)) == pytest.approx(step)
    assert line.step("time", 0.0) == 1.0, "before training: its first step"
    assert interpolated([], [], 3) == 0.0


def test_the_nearest_and_the_latest_point() -> None:
    curve = folded("demo").curves["eval_loss"]
    points = curve.points()
    assert nearest(curve, points[1][0] + 1) == points[1]
    assert latest(curve, points[1][0]) == points[1]
    assert latest(curve, points[1][0] - 1) == points[0]
    assert latest(curve, -5) is None


@pytest.mark.parametrize("axis_name", ["step", "time", "tokens"])
def test_every_chart_of_recorded_runs_has_points_and_a_legend(axis_name: str) -> None:
    lens = Lens(axis=axis_name)  # type: ignore[arg-type]
    alone = [Source("lora", folded("h200-lora"))]
    for curve in available([alone[0].state]):
        drawn = drawing(curve, alone, lens, UNICODE)
        if curve.chart == "throttle":
            assert drawn.empty == "no GPU was throttled"
            continue
        assert any(len(layer.xs) > 2 for layer in drawn.layers), curve.chart
        assert drawn.legend, curve.chart
    several = [*alone, Source("qlora", folded("h200-qlora"))]
    for curve in CURVES:
        drawn = drawing(curve, several, lens, UNICODE)
        assert [entry[:2] for entry in drawn.legend] == [("A", "lora"), ("B", "qlora")]
        assert {layer.tag for layer in drawn.layers if layer.kind == "line"} == {"A", "B"}


def test_smoothing_in_the_view_goes_with_its_strength() -> None:
    source = [Source("demo", folded("demo"))]

    def roughness(by: int) -> float:
        layers = drawing(BY_KEY["grad"], source, Lens().smoother(by), UNICODE).layers
        ys = layers[-1].ys
        return sum(abs(b - a) for a, b in itertools.pairwise(ys))

    assert roughness(3) < roughness(0) < roughness(-2)


def test_a_gpu_alone_is_drawn_where_it_was_throttled() -> None:
    state = RunState()
    for at in range(20):
        throttle = ["thermal"] if at in (5, 6) else []
        gpus = [
            {"index": index, "utilisation": 90, "throttle": throttle if index else []} for index in (0, 1)
        ]
        state.fold({"v": 1, "seq": at, "t": 100.0 + at, "type": "gpu", "gpus": gpus})
    drawn = drawing(BY_KEY["throttle"], [Source("x", state)], Lens(), UNICODE)
    assert [list(layer.xs) for layer in drawn.layers] == [[0.0, 19.0], [], [5.0, 6.0]]
    assert list(drawn.layers[2].ys) == [1.0, 1.0]
    assert drawn.legend == ((UNICODE.warning, "thermal", "2 readings", "warning"),)
