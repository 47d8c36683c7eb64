"""Numbers and words of the dashboard: health, time and cost, memory and disk, checkpoints, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, Log, live, shown, until

from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.dashboard.why import Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp

GIB = 1 << 30


def priced(run: RunDir, **budget: Any) -> None:
    """Give a run's plan a price of a cent a second, a budget and an interval of checkpoints."""
    plan = json.loads((run.path / "plan.json").read_text())
    plan["resolved"] |= {"budget": {"usd_per_hour": 36.0, **budget}, "run": {"save_every": 20}}
    (run.path / "plan.json").write_text(json.dumps(plan))


def sealed(run: RunDir, step: int, text: str = "weights") -> None:
    path = run.checkpoints_path / f"checkpoint-{step}"
    path.mkdir()
    (path / "model.safetensors").write_text(text)
    manifest = {"step": step, "files": {"model.safetensors": {"size": len(text), "sha256": ""}}}
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def working(new_run: Callable[..., Log]) -> Log:
    """A run half done: priced, saved twice, evaluated."""
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 20)
    log.add("eval", step=20, loss=1.4, perplexity=4.06, when="during")
    log.add("checkpoint", step=20, path="checkpoints/20", bytes=12 << 20, seconds=0.4)
    log.steps(21, 45)
    log.add("memory", reserved=4 * GIB, device=5 * GIB, predicted=6 * GIB, predicted_reserved=5 * GIB)
    log.gpus(1)
    priced(log.run, max_usd=2.0)
    sealed(log.run, 20)
    return log


async def test_header_tells_health_money_and_what_the_rest_is_based_on(
    app: Callable[..., TuneApp], working: Log
) -> None:
    async with app(run=working.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "45/100" in shown(pilot.app).splitlines()[1])
        await until(pilot, lambda: "spent" in shown(pilot.app))
        top = shown(pilot.app).splitlines()[:3]
        assert "left, measured" in top[1]
        assert "✓ healthy: numbers, training loss" in top[2]
        assert "$0.50 spent, $0.5" in top[2]
        priced(working.run, max_usd=0.6)
        await until(pilot, lambda: "▲ budget limit before the end" in shown(pilot.app).splitlines()[2])


async def test_every_panel_is_a_key_away_on_a_small_screen(app: Callable[..., TuneApp], working: Log) -> None:
    async with app(run=working.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "spent" in shown(pilot.app))
        wanted = {
            "6": ("✓ healthy", "checked: numbers, training loss"),
            "7": ("left          about", "% of the budget limit of $2.00 used", "to finish     $0.5"),
            "8": ("on the GPU    4.0 GiB, 5.0 GiB predicted", "next save     step 60, in "),
            "9": (
                "20 ★   now      78 B  1.400   ✓ verified",
                "★ lowest eval loss so far",
                "needs 12.0 MiB, 51.0 GiB free",
            ),
        }
        for key, told in wanted.items():
            await pilot.press(key)
            for words in told:
                await until(pilot, lambda words=words: words in shown(pilot.app))
            await pilot.press("escape")
            assert isinstance(pilot.app.screen, Dashboard)
            await until(pilot, lambda: "45/100" in shown(pilot.app) and "─log" in shown(pilot.app))


async def test_a_checkpoint_that_is_not_whole_is_marked(app: Callable[..., TuneApp], working: Log) -> None:
    sealed(working.run, 40)
    (working.run.checkpoints_path / "checkpoint-40" / "model.safetensors").write_text("cut")
    (working.run.checkpoints_path / "checkpoint-45").mkdir()
    async with app(run=working.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "spent" in shown(pilot.app))
        await pilot.press("9")
        await until(pilot, lambda: "✗ model.safetensors has changed in size" in shown(pilot.app))
        assert "✗ incomplete: no manifest" in shown(pilot.app)


async def test_all_panels_stand_together_on_a_large_screen(app: Callable[..., TuneApp], working: Log) -> None:
    working.add("warning", code="cut", message="6 % of the rows are cut", remedy="raise data.max_length")
    async with app(run=working.run).run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: "✓ verified" in shown(pilot.app))
        text = shown(pilot.app)
        for title in (
            "health",
            "time and cost",
            "memory and disk",
            "checkpoints",
            "log",
            "scores before and after",
        ):
            assert f"─ {title} ─" in text
        assert "→ raise data.max_length" in text
        assert "▲ step 45: 6 % of the rows are cut" in text


async def test_every_number_answers_why(app: Callable[..., TuneApp], working: Log) -> None:
    working.add("warning", code="cut", message="6 % of the rows are cut", remedy="raise data.max_length")
    async with app(run=working.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "spent" in shown(pilot.app))
        await pilot.press("3", "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, Why))
        assert "93% busy, 71.0 GiB of 141 GiB, 612 W, 61 °C" in shown(pilot.app), "at the panel's own numbers"
        assert "every two seconds. It is not" in shown(pilot.app), "throttled"
        await pilot.press("w")
        assert isinstance(pilot.app.screen, Dashboard)
        await pilot.press("w", *["left"] * 7)
        await until(pilot, lambda: "raise data.max_length" in shown(pilot.app))
        screen = pilot.app.screen
        assert isinstance(screen, Why)
        for fact in screen._list.rows:
            await until(pilot, lambda fact=fact: fact.why[:40] in shown(pilot.app))
            await pilot.press("j")
        await pilot.press("k", "h", "tab", "l", "shift+tab", "up", "down")
        assert await pilot.click("#facts", offset=(3, 1))
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Dashboard)


async def test_the_numbers_under_why_move_along(app: Callable[..., TuneApp], working: Log) -> None:
    async with app(run=working.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "step 45" in shown(pilot.app))
        await pilot.press("1", "w")
        await until(pilot, lambda: "─training loss─" in shown(pilot.app))
        assert "0.9463 the last step" in shown(pilot.app)
        working.steps(46, 60)
        await until(pilot, lambda: "0.7707 the last step" in shown(pilot.app))
        assert "─training loss─" in shown(pilot.app), "the mark stays where it is"


async def test_a_run_that_has_said_nothing_answers_too(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    async with app(run=new_run().run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "too early to tell" in shown(pilot.app))
        for key in "6789":
            await pilot.press(key, "w", "down", "escape", "escape")
        assert isinstance(pilot.app.screen, Dashboard)
