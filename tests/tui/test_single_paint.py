"""Screens open in one painting, and what lies beneath a question costs nothing where it is hidden."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

import pytest
from showing import SMALL, live, shown, until
from textual.geometry import Region
from textual.screen import Screen

from tuiftune import tui
from tuiftune.tui.app import TuneApp
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.textual_patches.single_paint import SinglePaintScreen, around

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each painting of a screen above the dashboard leaves on the terminal."""
    seen: list[str] = []
    display = TuneApp._display

    def noted(self: TuneApp, screen: Screen[object], renderable: object) -> None:
        display(self, screen, renderable)
        if renderable is not None and screen is self.screen and not isinstance(screen, Dashboard):
            seen.append(shown(self))

    monkeypatch.setattr(TuneApp, "_display", noted)
    return seen


async def test_a_screen_is_whole_when_it_is_painted_first(
    app: Callable[..., TuneApp], finished: Log, painted: list[str]
) -> None:
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "step 40" in shown(pilot.app))
        for key, words in (
            ("r", ": result"),
            ("question_mark", "Esc: close"),
            ("v", "smooth"),
        ):
            painted.clear()
            await pilot.press(key)
            await until(pilot, lambda words=words: painted and words in painted[-1])
            assert words in painted[0], f"{key} painted something else first:\n{painted[0]}"
            await pilot.press("escape")
            await until(pilot, lambda: "best eval" in shown(pilot.app))


async def test_what_changes_beneath_a_question_is_seen_around_it(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run("beneath")
    log.start(100)
    log.steps(1, 20)
    live(log)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "step 20/100" in shown(pilot.app))
        await pilot.press("s")
        await until(pilot, lambda: "Stop beneath?" in shown(pilot.app))
        log.steps(21, 30)
        await until(pilot, lambda: "step 30/100" in shown(pilot.app))
        assert "Stop beneath?" in shown(pilot.app)


@pytest.mark.parametrize(
    ("region", "left"),
    [
        (Region(0, 0, 10, 2), [Region(0, 0, 10, 2)]),
        (Region(4, 4, 2, 2), []),
        (
            Region(0, 0, 10, 10),
            [Region(0, 0, 10, 3), Region(0, 7, 10, 3), Region(0, 3, 3, 4), Region(7, 3, 3, 4)],
        ),
    ],
)
def test_only_what_a_box_leaves_to_be_seen(region: Region, left: list[Region]) -> None:
    assert around(region, Region(3, 3, 4, 4)) == left


def test_every_screen_opens_so() -> None:
    modules = [import_module(found.name) for found in walk_packages(tui.__path__, f"{tui.__name__}.")]
    found = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Screen) and each.__module__ == module.__name__
    }
    assert len(found) > 25
    assert {each.__name__ for each in found if not issubclass(each, SinglePaintScreen)} == set()
