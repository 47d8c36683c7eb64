"""Home: what runs there are, what one can do with each, and what an empty one teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from showing import SMALL, Log, live, shown, until

from tuiftune.runs.store.control import kill, stop_requested
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.registry import register
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.wizard.machine import MachineStep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tuiftune.tui.app import TuneApp


async def test_an_empty_home_says_what_to_begin_with(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        offers = (
            "No runs yet",
            "New run",
            "Demo",
            "Built-in preset",
            "Tour",
            "tuiftune doctor",
        )
        await until(pilot, lambda: all(offer in shown(pilot.app) for offer in offers))
        assert "Delete" not in shown(pilot.app)
        await pilot.press("down", "down", "up", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MachineStep))
        await pilot.press("escape")
        await until(pilot, lambda: "No runs yet" in shown(pilot.app))


async def test_runs_are_listed_with_state_progress_and_score(
    app: Callable[..., TuneApp], finished: Log, new_run: Callable[..., Log]
) -> None:
    going = new_run("going")
    live(going)
    going.start(100)
    going.steps(1, 25)
    async with app().run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "going" in shown(pilot.app) and "tone" in shown(pilot.app))
        line = {
            name: next(x for x in shown(pilot.app).splitlines() if f" {name} " in x)
            for name in ("going", "tone")
        }
        assert "running" in line["going"]
        assert "25%" in line["going"]
        assert "done" in line["tone"]
        assert "2.31 → 0.90" in line["tone"]
        assert "8% → 84%" in line["tone"]
        assert "1 running" in shown(pilot.app).splitlines()[0]


async def test_a_run_elsewhere_is_found_through_the_register(
    app: Callable[..., TuneApp], finished: Log, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(finished.run)
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dashboard))


async def test_stop_and_resume_are_offered_where_they_make_sense(
    app: Callable[..., TuneApp], finished: Log, new_run: Callable[..., Log]
) -> None:
    going = new_run("going")
    live(going)
    going.start(100)
    going.steps(1, 2)
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        names = [line.split()[1] for line in shown(pilot.app).splitlines() if "▸" in line]
        if names == ["tone"]:
            await pilot.press("j")
        await until(pilot, lambda: " Stop " in shown(pilot.app).splitlines()[-1])
        assert "Delete" not in shown(pilot.app).splitlines()[-1], "a running run is not deleted"
        await pilot.press("s")
        await until(pilot, lambda: "Stop going?" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: stop_requested(going.run) == "the app")


async def test_delete_asks_and_the_careful_answer_has_the_focus(
    app: Callable[..., TuneApp], finished: Log
) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "Delete tone?" in shown(pilot.app))
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert finished.run.path.is_dir()
        await pilot.press("x")
        await until(pilot, lambda: "Delete tone?" in shown(pilot.app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: "No runs yet" in shown(pilot.app))
        assert not finished.run.path.exists()


async def test_a_shipped_preset_opens_the_wizard_on_it(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: "Start from a built-in preset" in shown(pilot.app))
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MachineStep))
        assert pilot.app.draft.model == "builtin:tiny"  # type: ignore[attr-defined]


async def test_every_theme_and_ascii_show_the_same_words(
    app: Callable[..., TuneApp], finished: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        seen = {pilot.app.theme}
        for _ in range(4):
            await pilot.press("f3")
            await pilot.pause(0.1)
            seen.add(pilot.app.theme)
            assert "tone" in shown(pilot.app)
        assert len(seen) == 5
    monkeypatch.setenv("TUIFTUNE_ASCII", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        assert shown(pilot.app).replace("—", "").replace("·", "").isascii()


async def test_the_demo_starts_from_one_key(app: Callable[..., TuneApp], place: Path) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "Demo" in shown(pilot.app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dashboard), 30)
        run = RunDir(place / "runs" / "demo")
        assert run.preset.model.base == "builtin:tiny"
        await until(pilot, lambda: "running" in shown(pilot.app).splitlines()[0])
        assert kill(run), "there is an engine of its own behind it"
        await until(pilot, lambda: "crashed" in shown(pilot.app).splitlines()[0])


async def test_a_stopped_run_is_taken_up_again(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run("paused")
    log.start(100)
    log.steps(1, 5)
    log.end("stopped", 4, "stop requested")
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "Resume" in shown(pilot.app).splitlines()[-1])
        await pilot.press("r")
        await until(pilot, lambda: log.run.pid_path.exists())
        kill(log.run)
