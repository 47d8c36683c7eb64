"""Magnified far enough, a chart shows every step of a long run, not only the points that were kept of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from showing import shown, until

from tuiftune.runs.log.writer import serialize
from tuiftune.tui.charts.charts import Charts
from tuiftune.tui.kit.chart.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp

STEPS = 6_000
SPIKE = 3_001


def loss(step: int) -> float:
    return 9.0 if step == SPIKE else 2.0 + math.sin(step / 5)


def written(log: Log) -> None:
    log.start(STEPS)
    lines = [
        {"v": 1, "seq": 10 + step, "t": log.t + step, "type": "step", "step": step, "loss": loss(step)}
        for step in range(1, STEPS + 1)
    ]
    with log.run.events_path.open("ab") as file:
        file.write(b"".join(map(serialize, lines)))


def drawn(screen: Any) -> dict[float, float]:
    """The raw losses that the chart has, by their steps."""
    layer = next(layer for layer in screen.query_one("#of-loss", Chart)._layers if layer.ink == "raw")
    return dict(zip(layer.xs, layer.ys, strict=True))


async def test_a_chart_that_is_magnified_reads_every_step_of_it_from_the_log(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run("long", total=STEPS)
    written(log)
    async with app(run=log.run).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "step 6,000" in shown(pilot.app))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, Charts) and "smooth" in shown(pilot.app))
        screen = pilot.app.screen
        assert len(drawn(screen)) <= 2001
        await pilot.press(*["plus"] * 10)
        await until(pilot, lambda: {float(step) for step in range(2_960, 3_040)} <= drawn(screen).keys())
        assert all(drawn(screen)[float(step)] == loss(step) for step in range(2_960, 3_040))
        await until(pilot, lambda: "reading its log" not in shown(pilot.app))
        await pilot.press("right", "home", "l")
        assert "loss" in shown(pilot.app)
        await pilot.press("0")
        await until(pilot, lambda: len(drawn(screen)) <= 2001)
