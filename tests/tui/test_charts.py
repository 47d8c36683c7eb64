"""The charts screen and what is reached from it: every key does what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, Log, live, shown, until

from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.charts.charts import Charts
from tuiftune.tui.charts.followed_run import FollowedRun
from tuiftune.tui.compare.compare import Compare
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.kit.chart.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

RECORDED = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, RunDir]:
    for name in ("demo", "h200-lora", "h200-qlora"):
        shutil.copytree(RECORDED / name, tmp_path / "runs" / name)
    return {path.name: RunDir(path) for path in (tmp_path / "runs").iterdir()}


async def opened(pilot: Any, *, key: str = "v") -> Charts:
    await until(pilot, lambda: "done" in shown(pilot.app))
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, Charts) and "charts of" in shown(pilot.app))
    return pilot.app.screen  # type: ignore[no-any-return]


def visible(screen: Charts) -> list[str]:
    return [str(chart.border_title) for chart in screen.query(Chart) if chart.display]


async def test_the_cursor_reads_every_value_of_a_step(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    lines = (recorded["demo"].path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    loss = {event["step"]: event["loss"] for event in events if event["type"] == "step"}
    async with app(run=recorded["demo"]).run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        await pilot.press("b")
        await until(pilot, lambda: "step 134 " in shown(pilot.app))
        text = shown(pilot.app)
        assert f"loss {loss[134]:.3f}" in text
        assert "eval loss 0.027 at 134" in text
        assert "of 973 MiB predicted" in text
        assert text.count("╎") > 5, "the cursor stands in the chart"
        await pilot.press("right")
        await until(pilot, lambda: "step 137 " in shown(pilot.app) or "step 136 " in shown(pilot.app))
        await pilot.press("shift+left")
        await until(pilot, lambda: "step 11" in shown(pilot.app))
        await pilot.press("home")
        await until(pilot, lambda: "step 0 " in shown(pilot.app))
        await pilot.press("end", "left")
        await until(pilot, lambda: "step 17" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "╎" not in shown(pilot.app))
        assert pilot.app.screen is screen, "Esc lays the cursor down first"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dashboard))


async def test_magnify_move_and_all_again(app: Callable[..., TuneApp], recorded: dict[str, RunDir]) -> None:
    async with app(run=recorded["demo"]).run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        for keys, sign in ((("plus",) * 4, "5.06×"), (("up",), "7.59×"), (("minus", "j"), "3.37×")):
            await pilot.press(*keys)
            await until(pilot, lambda sign=sign: sign in shown(pilot.app).splitlines()[0])
        before = screen._lens.window
        await pilot.press("l")
        assert before is not None
        assert screen._lens.window is not None
        assert screen._lens.window[0] > before[0]
        await pilot.press("h", "h")
        assert screen._lens.window[0] < before[0]
        await pilot.press("f")
        await until(pilot, lambda: "following" in shown(pilot.app).splitlines()[0])
        assert "150" in shown(pilot.app)
        await pilot.press("0")
        await until(pilot, lambda: "×" not in shown(pilot.app).splitlines()[0])


async def test_scale_smoothing_and_axis(app: Callable[..., TuneApp], recorded: dict[str, RunDir]) -> None:
    async with app(run=recorded["demo"]).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "log scale" in shown(pilot.app) and "0.1 ┤" in shown(pilot.app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "smoothing 5%" in shown(pilot.app))
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: "no smoothing" in shown(pilot.app) and "━ smooth" not in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "by time" in shown(pilot.app) and "1m30" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "by tokens" in shown(pilot.app) and "100k" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "by step" in shown(pilot.app))


async def test_one_chart_or_a_grid(app: Callable[..., TuneApp], recorded: dict[str, RunDir]) -> None:
    async with app(run=recorded["h200-lora"]).run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        assert visible(screen) == ["loss"]
        await pilot.press("tab")
        await until(pilot, lambda: visible(screen) == ["learning rate"])
        await pilot.press("shift+tab", "6")
        await until(pilot, lambda: visible(screen) == ["GPU load, %"] and "12" in shown(pilot.app))
        await pilot.press("1", "g")
        await until(pilot, lambda: len(visible(screen)) == 4)
        await pilot.resize_terminal(200, 60)
        await until(pilot, lambda: len(visible(screen)) == 12 and "no GPU was throttled" in shown(pilot.app))
        assert "predicted 5.64" in shown(pilot.app) or "╌ 5.64" in shown(pilot.app)
        await pilot.press("g")
        await until(pilot, lambda: visible(screen) == ["loss"])
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: max(map(len, shown(pilot.app).splitlines())) <= 40)


async def test_other_runs_are_drawn_in_and_compared(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    async with app(run=recorded["h200-lora"]).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, key="v")
        await pilot.press("o")
        await until(pilot, lambda: "[ ] h200-qlora" in shown(pilot.app) and "[ ] demo" in shown(pilot.app))
        await pilot.press("j", "k", "space")
        await until(pilot, lambda: "[✓]" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "A h200-lora" in shown(pilot.app) and len(screen.query(FollowedRun)) == 1)
        other = screen.query_one(FollowedRun)
        await until(
            pilot,
            lambda: (
                (other.opened and f"B {other.run.name} 0" in shown(pilot.app))
                or f"B {other.run.name} 8" in shown(pilot.app)
            ),
        )
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Compare) and "Outcome" in shown(pilot.app))
        assert f"B {other.run.name}" in shown(pilot.app)
        await pilot.press("down", "escape", "o")
        await until(pilot, lambda: "[✓]" in shown(pilot.app))
        listed = pilot.app.screen.query_one("#picked")
        listed.highlighted = next(  # type: ignore[attr-defined]
            i
            for i, row in enumerate(pilot.app.screen._rows)
            if row.run.path == other.run.path  # type: ignore[attr-defined]
        )
        await pilot.press("space", "enter")
        await until(pilot, lambda: not screen.query(FollowedRun) and "★" in shown(pilot.app))


async def test_overlay_from_the_dashboard_goes_straight_to_the_list(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    async with app(run=recorded["h200-lora"]).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("o")
        await until(pilot, lambda: "Show with h200-lora" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Charts))


async def test_no_other_run_is_said(app: Callable[..., TuneApp], finished: Log) -> None:
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "No other runs on this machine" in shown(pilot.app))


async def test_compared_runs_go_on_to_their_charts(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    made = app()
    async with made.run_test(size=SMALL) as pilot:
        made.push_screen(Compare([recorded["h200-lora"], recorded["h200-qlora"], recorded["demo"]]))
        await until(pilot, lambda: "Settings that differ" in shown(made))
        await pilot.press("pagedown", "space")
        await until(pilot, lambda: "(86–97%)" in shown(made))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(made.screen, Charts) and "C demo 0.0172" in shown(made))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(made.screen, Compare))


@pytest.mark.parametrize("key", ["v", "e"])
async def test_measurements_are_exported_and_the_place_is_said(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir], place: Path, key: str
) -> None:
    async with app(run=recorded["demo"]).run_test(size=SMALL, notifications=True) as pilot:
        if key == "v":
            await opened(pilot)
        else:
            await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("e")
        await until(pilot, lambda: "demo-metrics.csv" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "251 rows" in shown(pilot.app))
        assert (place / "demo-metrics.csv").read_text().startswith("type,t,seconds,step")


async def test_a_name_that_is_no_table_is_refused(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    async with app(run=recorded["demo"]).run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("e", *"x", "enter")
        await until(pilot, lambda: ".csv" in shown(pilot.app))


async def test_a_run_that_goes_on_grows_in_its_charts(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 20)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "20/100" in shown(pilot.app))
        await pilot.press("v", "g")
        await until(pilot, lambda: "step 20 " in shown(pilot.app))
        log.steps(21, 60)
        log.add("memory", allocated=1 << 30, reserved=2 << 30, device=70 << 30, predicted=72 << 30)
        log.add("eval", step=60, loss=1.0, perplexity=2.7, when="during")
        log.gpus(8, throttle=["power cap"])
        await until(pilot, lambda: "step 60 " in shown(pilot.app))
        await until(pilot, lambda: "8 GPUs 93% 71.0 GiB 612 W 61 °C 8 throttled" in shown(pilot.app))
        await pilot.press("g", "9")
        await until(pilot, lambda: "GPU temperature" in shown(pilot.app), 20)
        await pilot.press("tab")
        await until(pilot, lambda: "▲ power cap 8 readings" in shown(pilot.app))


async def test_clicking_into_a_chart_and_turning_the_wheel(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    async with app(run=recorded["demo"]).run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        await pilot.click("#of-loss", offset=(40, 8))
        await until(pilot, lambda: screen._lens.cursor is not None)
        assert 60 < screen._lens.cursor < 110  # type: ignore[operator]


async def test_ascii_alone_draws_ascii_only(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUIFTUNE_ASCII", "1")
    async with app(run=recorded["h200-lora"]).run_test(size=(200, 60)) as pilot:
        await opened(pilot)
        await pilot.press("b")
        await until(pilot, lambda: "GPU throttling" in shown(pilot.app))
        others = {char for char in shown(pilot.app) if not char.isascii()}
        assert others <= set("°←→—↓↑·"), others


async def test_runs_marked_at_home_are_compared_and_drawn_together(
    app: Callable[..., TuneApp], recorded: dict[str, RunDir]
) -> None:
    async with app().run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: all(name in shown(pilot.app) for name in recorded))
        home = pilot.app.screen
        await pilot.press("m")
        await until(pilot, lambda: "Select two or more" in shown(pilot.app))
        await pilot.press("space", "m")
        await until(pilot, lambda: isinstance(pilot.app.screen, Compare) and "Outcome" in shown(pilot.app))
        await pilot.press("escape", "space", "space")
        await until(pilot, lambda: "3 selected" in shown(pilot.app))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, Charts) and "C " in shown(pilot.app))
        screen = pilot.app.screen
        await until(pilot, lambda: all(each.opened for each in screen.query(FollowedRun)))
        await until(pilot, lambda: all(name in shown(pilot.app) for name in ("A ", "B ", "demo 0.0172")))
        await pilot.press("v")
        await until(pilot, lambda: pilot.app.screen is home)


async def test_a_hidden_dashboard_paints_nothing_and_one_beneath_a_question_does(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 20)
    made = app(run=log.run)
    async with made.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "20/100" in shown(made))
        beneath = made.screen
        assert isinstance(beneath, Dashboard)
        await pilot.press("s")
        await until(pilot, lambda: made.screen is not beneath)
        assert beneath.is_current, "it shows through"
        await pilot.press("escape", "v")
        await until(pilot, lambda: "step 20 " in shown(made))
        painted: list[object] = []
        paint = Dashboard._compositor_refresh
        monkeypatch.setattr(
            Dashboard, "_compositor_refresh", lambda self: (painted.append(1), paint(self))[1]
        )
        log.steps(21, 40)
        await until(pilot, lambda: "step 40 " in shown(made))
        assert not painted
        await pilot.press("escape")
        await until(pilot, lambda: made.screen is beneath and "40/100" in shown(made))
        assert painted


async def test_a_metric_that_is_not_registered_gets_a_chart_and_a_row_once_it_is_measured(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run("margins")
    log.start(100)
    live(log)
    log.steps(1, 20)
    async with app(run=log.run).run_test(size=(160, 80)) as pilot:
        await until(pilot, lambda: "step 20" in shown(pilot.app))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, Charts) and "smooth" in shown(pilot.app))
        screen = pilot.app.screen
        before = len(screen.query(Chart))
        for step in range(21, 40):
            log.add("step", step=step, loss=1.0, **{"rewards/oddness": step / 10})
        await until(pilot, lambda: len(screen.query(Chart)) == before + 1)
        await pilot.press("shift+tab")
        await until(pilot, lambda: "rewards/oddness" in visible(screen))  # type: ignore[arg-type]
        await pilot.press("escape")
        await until(pilot, lambda: "rewards/…" in shown(pilot.app))
