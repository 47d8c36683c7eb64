"""Drawing curves, bars and sparklines into cells."""

from __future__ import annotations

import math

import pytest

from tuiftune.tui.kit.chart.axis import Scale
from tuiftune.tui.kit.chart.plot import Layer, buckets, extent, finite, grid, label, steadied, ticks
from tuiftune.tui.kit.glyphs import ASCII, UNICODE, bar, choose, sparkline


def text(rows: list[list[tuple[str, str]]]) -> list[str]:
    return ["".join(char for char, _ in row) for row in rows]


def test_a_falling_line_goes_from_the_upper_left_to_the_lower_right_without_gaps() -> None:
    layer = Layer(range(10), [9.0 - x for x in range(10)], "good")
    rows = grid([layer], 10, 5, (0, 9, 0, 9), UNICODE)
    assert rows[0][0][0] != " "
    assert rows[-1][-1][0] != " "
    assert rows[-1][0][0] == " "
    assert rows[0][-1][0] == " "
    for column in range(10):
        assert any(row[column][0] != " " for row in rows), f"a gap in column {column}"


def test_a_single_spike_among_a_hundred_thousand_points_is_still_drawn() -> None:
    ys = [1.0] * 100_000
    ys[54_321] = 9.0
    rows = grid([Layer(range(100_000), ys, "raw", "dots")], 40, 8, (0, 99_999, 0, 10), UNICODE)
    assert any(char != " " for char, _ in rows[0])


def test_marks_cover_lines_and_the_ink_goes_with_them() -> None:
    line = Layer([0, 1, 2], [1, 1, 1], "good")
    mark = Layer([1], [1.0], "accent", "marks", "◆")
    rows = grid([line, mark], 9, 3, (0, 2, 0, 2), UNICODE)
    assert ("◆", "accent") in [cell for row in rows for cell in row]


def test_ascii_draws_ascii_only() -> None:
    layer = Layer(range(50), [math.sin(x / 5) for x in range(50)], "good")
    rows = text(grid([layer], 30, 8, (0, 49, -1, 1), ASCII))
    assert all(row.isascii() for row in rows)
    assert any(row.strip() for row in rows)


def test_points_that_are_no_numbers_are_left_out_and_a_flat_curve_has_a_height() -> None:
    layer = finite(Layer([0, 1, 2], [1.0, float("nan"), float("inf")], "good"))
    assert list(layer.ys) == [1.0]
    x0, x1, y0, y1 = extent([layer]) or (0, 0, 0, 0)
    assert x1 > x0
    assert y1 > y0
    assert extent([]) is None


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [(0, 2.7, 3, [0, 1, 2]), (8.4, 10.1, 4, [8.5, 9, 9.5, 10]), (0, 1.9e-4, 2, [0, 1e-4])],
)
def test_ticks_are_round_numbers(low: float, high: float, count: int, expected: list[float]) -> None:
    assert ticks(low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (0, None, "0"),
        (2e-4, None, "2e-4"),
        (0.5, 0.5, "0.5"),
        (2000, 1000, "2000"),
        (12_000, 1000, "12k"),
        (3.5e6, None, "3.5M"),
    ],
)
def test_labels_are_short(value: float, step: float | None, expected: str) -> None:
    assert label(value, step) == expected


def test_bars_and_sparklines() -> None:
    assert bar(UNICODE, 0.5, 4) == ("██", "░░")
    assert bar(UNICODE, 0.55, 4)[0] == "██▎"
    assert bar(ASCII, 2.0, 4) == ("####", "")
    assert bar(UNICODE, -1, 3) == ("", "░░░")
    assert sparkline(UNICODE, [1, 2, 3, 4], 4) == "▁▃▆█"
    assert sparkline(UNICODE, [5, 5, 5], 3) == "▄▄▄"
    assert sparkline(UNICODE, [9.9, 10.1, 9.9], 3, floor=0.0) == "███"
    assert sparkline(UNICODE, [], 8) == ""
    assert len(sparkline(UNICODE, list(range(1000)), 12)) == 12


def test_the_signs_follow_the_terminal() -> None:
    assert choose({"TERM": "xterm-256color"}, "UTF-8") is UNICODE
    assert choose({"TERM": "xterm-256color"}, "ANSI_X3.4-1968") is ASCII
    assert choose({"TERM": "linux"}, "UTF-8") is ASCII
    assert choose({"TERM": "xterm", "TUIFTUNE_ASCII": "1"}, "UTF-8") is ASCII
    for name in UNICODE.__slots__:
        value = getattr(ASCII, name)
        assert isinstance(value, bool) or value.isascii()


def test_twenty_thousand_points_come_to_the_curve_they_lie_on() -> None:
    layer = Layer(range(20_000), [math.cos(x / 900) for x in range(20_000)], "good")
    rows = text(grid([layer], 100, 20, (0, 19_999, -1, 1), UNICODE))
    for column in range(100):
        height = math.cos((column + 0.5) * 200 / 900)
        lit = [at for at, row in enumerate(rows) if row[column] != " "]
        assert min(abs(at - (1 - height) * 9.5) for at in lit) <= 1.5


def test_a_growing_curve_keeps_its_bounds_for_a_twentieth_of_the_run() -> None:
    bounds = {steadied((0, step, 0.41, 2.63), 1000)[1] for step in range(101, 151)}
    assert bounds == {150}
    assert steadied((1, 1000, 0.0, 1.0), 1000)[1] == 1000
    x0, x1, y0, y1 = steadied((0, 7, 0.413, 2.634))
    assert x0 == 0
    assert x1 >= 7
    assert y0 <= 0.413
    assert y1 >= 2.634
    assert y1 - y0 < 2.5


def test_a_single_spike_stays_in_a_joined_line_too() -> None:
    ys = [1.0] * 100_000
    ys[54_321] = 9.0
    rows = grid([Layer(range(100_000), ys, "good")], 40, 8, (0, 99_999, 0, 10), UNICODE)
    assert any(char != " " for char, _ in rows[0])


def test_buckets_hold_every_point_once() -> None:
    xs = [x * 1.7 for x in range(500)]
    ys = [math.sin(x) for x in xs]
    found = buckets(Layer(xs, ys, "good"), 0.0, xs[-1], 60)
    assert min(part[0] for part in found if part) == min(ys)
    assert max(part[1] for part in found if part) == max(ys)
    assert [part is None for part in found] == [False] * 60
    assert buckets(Layer(xs, ys, "good"), -10.0, -1.0, 60) == [None] * 60


def test_lines_of_several_gpus_are_means_that_can_be_told_apart() -> None:
    ys = [1.0] * 1_000
    ys[500] = 9.0
    course = text(grid([Layer(range(1_000), ys, "c0", "course")], 40, 8, (0, 999, 0, 10), UNICODE))
    assert not course[0].strip()


@pytest.mark.parametrize("rows", range(4, 20))
def test_labels_of_a_scale_are_two_lines_apart_wherever_two_fit(rows: int) -> None:
    for high in (0.7, 1.9, 3.3, 7.5, 42.0, 980.0):
        places = [value for value, _ in Scale().marks(0.0, high, max(1, min(rows // 2, 6)), rows)]
        assert places
        assert len(places) <= 2 or (places[1] - places[0]) * rows / high >= 2, f"{places} on {rows} rows"
