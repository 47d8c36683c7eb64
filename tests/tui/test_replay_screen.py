"""A finished run played again: speed, pause, seeking, and its charts playing along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from showing import SMALL, Log, live, shown, until

from tuiftune.tui.charts.charts import Charts
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.dashboard.replay import ReplayScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp


async def replayed(pilot: Any) -> ReplayScreen:
    """The replay of the run on the screen, paused at its beginning."""
    await until(pilot, lambda: "done" in shown(pilot.app))
    await pilot.press("p")
    await until(pilot, lambda: isinstance(pilot.app.screen, ReplayScreen) and pilot.app.screen.replay)
    screen = pilot.app.screen
    screen.replay.playing = False
    await pilot.press("home")
    assert isinstance(screen, ReplayScreen)
    return screen


def foot(app: TuneApp) -> str:
    return shown(app).splitlines()[-2]


async def test_it_plays_to_the_end_and_then_shows_the_run_as_it_is(
    app: Callable[..., TuneApp], h200: RunDir
) -> None:
    async with app(run=h200).run_test(size=SMALL) as pilot:
        screen = await replayed(pilot)
        await until(pilot, lambda: "step 0" in shown(pilot.app) and "paused" in foot(pilot.app))
        assert "replay" in shown(pilot.app).splitlines()[0]
        await pilot.press(*["plus"] * 6, "space")
        await until(pilot, lambda: "replay finished" in foot(pilot.app))
        await until(pilot, lambda: "done" in shown(pilot.app).splitlines()[0])
        await until(pilot, lambda: "step 20/20" in shown(pilot.app))
        assert " Stop " not in shown(pilot.app).splitlines()[-1]
        await pilot.press(*["minus"] * 6, "space")  # slowly: else it may be over again before one looks
        await until(pilot, lambda: screen.replay is not None and not screen.replay.over)
        await pilot.press("escape")
        await until(pilot, lambda: type(pilot.app.screen) is Dashboard)


async def test_seeking_shows_that_moment(app: Callable[..., TuneApp], finished: Log) -> None:
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        screen = await replayed(pilot)
        assert screen.replay is not None
        for key, sign in (("end", "step 40/40"), ("home", "step 0")):
            await pilot.press(key)
            await until(pilot, lambda sign=sign: sign in shown(pilot.app))
        await pilot.press(*["right"] * 10)
        await until(pilot, lambda: "step 2" in shown(pilot.app) or "step 1" in shown(pilot.app))
        assert screen.state.step == screen.replay.state.step
        assert 15 < screen.state.step < 25
        assert screen.state.end is None
        at = screen.replay.at
        await pilot.press("l", "h", "h")
        assert screen.replay.at < at
        await pilot.press("minus")
        await until(pilot, lambda: f"×{screen.replay.speed}," in foot(pilot.app))  # type: ignore[union-attr]
        await pilot.click("ReplayBar", offset=(40, 0))
        await until(pilot, lambda: 0 < screen.replay.at < screen.replay.length)  # type: ignore[union-attr]


async def test_its_charts_play_along(app: Callable[..., TuneApp], h200: RunDir) -> None:
    async with app(run=h200).run_test(size=SMALL) as pilot:
        screen = await replayed(pilot)
        assert screen.replay is not None
        screen.go_to(33.5)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, Charts) and "replay" in shown(pilot.app))
        await until(pilot, lambda: "step 10 " in shown(pilot.app))
        screen.replay.speed = 10
        await pilot.press("space")
        await until(pilot, lambda: "step 20 " in shown(pilot.app))
        assert "Pause" in shown(pilot.app)


async def test_a_run_that_goes_on_can_be_replayed_too(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 30)
    made = app(run=log.run)
    async with made.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "30/100" in shown(pilot.app))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(made.screen, ReplayScreen) and "replay ×" in shown(made))
        await pilot.press("end")
        await until(pilot, lambda: "step 30/100" in shown(made))
        await pilot.press("escape")
        await until(pilot, lambda: type(made.screen) is Dashboard and "running" in shown(made))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(made.screen, ReplayScreen))
        await pilot.press("q")
    assert made.return_value == ""
