"""The tour: real screens with a coach, first on an empty home, skippable, and never in the way again."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, Log, shown, until

from tuiftune import assets
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.home.home import Home
from tuiftune.tui.kit.seen import seen
from tuiftune.tui.tour.stops import STOPS
from tuiftune.tui.tour.tour import Coach
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.tui.app import TuneApp

LARGE = (120, 40)


def at_home(pilot: Any) -> bool:
    return isinstance(pilot.app.screen, Home) and "Tour" in shown(pilot.app).splitlines()[-1]


def above_the_coach(screen: str, title: str) -> bool:
    """Whether the coach stands on the last lines, and right above them the screen's own key bar."""
    lines = screen.splitlines()
    return title in lines[-5] and "Esc" in lines[-1] and " Help" in lines[-6]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
async def test_enter_alone_walks_through_every_screen(
    app: Callable[..., TuneApp], place: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place / "tmp"))
    signs = {
        "home": "No runs yet",
        "machine": "CPU",
        "goal": "recommendation so far",
        "data": "1,014",
        "model": "fits",
        "review": "tickets-tiny",
        "dashboard": "recorded-demo",
        "result": "exact match",
    }
    async with app().run_test(size=size) as pilot:
        await until(pilot, lambda: "Tour" in shown(pilot.app))
        for number, stop in enumerate(STOPS, 1):
            await pilot.press("enter")
            await until(pilot, lambda n=number: f"{n} of {len(STOPS)}" in shown(pilot.app))
            await until(pilot, lambda sign=signs[stop.screen]: sign in shown(pilot.app))
            await until(pilot, lambda title=stop.title: above_the_coach(shown(pilot.app), title))
        await pilot.press("enter")
        await until(pilot, lambda: at_home(pilot))
        await until(pilot, lambda: "▸  n " in shown(pilot.app))
        assert pilot.app.draft == Draft()  # type: ignore[attr-defined]
    assert not list((place / "tmp").iterdir()), "nothing is left behind"
    assert not (place / "runs").exists()
    assert seen("tour")


async def test_it_is_skipped_with_one_key_and_shown_again_when_asked(app: Callable[..., TuneApp]) -> None:
    mine = Draft(name="mine")
    async with app(draft=mine).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "▸  t " in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Coach))
        await pilot.press("right", "right", "left")
        await until(pilot, lambda: "2 of 9" in shown(pilot.app))
        await pilot.press("s", "x", "d")
        assert isinstance(pilot.app.screen, Coach), "other keys do nothing to what lies below"
        await pilot.press("escape")
        await until(pilot, lambda: at_home(pilot))
        assert pilot.app.draft is mine  # type: ignore[attr-defined]
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "▸  n " in shown(pilot.app))
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, Coach))
        await pilot.press("ctrl+c")


async def test_it_runs_over_a_home_that_has_runs(app: Callable[..., TuneApp], finished: Log) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("t")
        await until(pilot, lambda: "1 of 9" in shown(pilot.app) and "tone" in shown(pilot.app))
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "step 40/40" in shown(pilot.app))


def test_the_recorded_run_is_a_whole_one() -> None:
    run = RunDir(assets.RECORDED)
    assert run.preset.model.base == assets.MODEL_NAME
    result = run.result()
    assert result is not None
    assert result["after"]["exact_match"] > 0.85, "the tour says nine in ten"
    assert result["before"]["exact_match"] == 0
