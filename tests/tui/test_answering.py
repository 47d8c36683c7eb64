"""Answers from evaluation to evaluation: shown as they come, row by row, on a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from showing import SMALL, Log, live, shown, until

from tuiftune.runs.store import samples
from tuiftune.tui.dashboard.answer_history import Answering
from tuiftune.tui.dashboard.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp


def written(log: Log, step: int, *answers: str, when: str = "during", cut: bool = False) -> None:
    document = {"step": step, "when": when, "answers": answers, "cut": [cut] * len(answers), "seconds": 0.4}
    samples.append(log.run.path / samples.FILE, document)


@pytest.fixture
def answering(new_run: Callable[..., Log]) -> Log:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 20)
    questions = [("Where is order 12?\x1b[31m", "delivery"), ("My card was charged twice", "billing")]
    asked = [
        {"row": at, "prompt": prompt, "reference": right} for at, (prompt, right) in enumerate(questions)
    ]
    samples.append(log.run.path / samples.FILE, {"questions": asked})
    written(log, 0, "Hello there, how are you", "", when="before", cut=True)
    written(log, 10, "It is in delivery", "billing")
    written(log, 20, "It is in delivery", "billing")
    return log


async def test_each_rows_answers_are_shown_as_they_change(
    app: Callable[..., TuneApp], answering: Log
) -> None:
    async with app(run=answering.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "20/100" in shown(pilot.app))
        await pilot.press("a")
        await until(pilot, lambda: "10–20" in shown(pilot.app))
        assert isinstance(pilot.app.screen, Answering)
        text = shown(pilot.app)
        assert "row 1 of 2" in text
        assert "Where is order 12?\\x1b[31m" in text
        assert "reference      delivery" in text
        assert "base model     ✗ Hello there, how are you …" in text
        assert "steps 10–20    ✗ It is in delivery" in text
        answering.steps(21, 30)
        written(answering, 30, "delivery", "billing")
        await until(pilot, lambda: "step 30        ✓ delivery" in shown(pilot.app))
        await pilot.press("l")
        await until(pilot, lambda: "row 2 of 2" in shown(pilot.app))
        assert "base model     ✗ (empty)" in shown(pilot.app)
        assert "steps 10–30    ✓ billing" in shown(pilot.app)
        for key, row in (
            ("right", 1),
            ("n", 2),
            ("tab", 1),
            ("left", 2),
            ("h", 1),
            ("p", 2),
            ("shift+tab", 1),
        ):
            await pilot.press(key)
            await until(pilot, lambda row=row: f"row {row} of 2" in shown(pilot.app))
        await pilot.press("down", "j", "up", "k", "a")
        assert isinstance(pilot.app.screen, Dashboard)


async def test_many_answers_scroll(app: Callable[..., TuneApp], answering: Log) -> None:
    for step in range(30, 90):
        written(answering, step, f"answer number {step}", "billing")
    answering.steps(21, 90)
    async with app(run=answering.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "90/100" in shown(pilot.app))
        await pilot.press("a")
        await until(pilot, lambda: "number 30" in shown(pilot.app))
        assert "number 89" not in shown(pilot.app)
        await pilot.press("end")
        await until(pilot, lambda: "number 89" in shown(pilot.app))
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Dashboard)


async def test_a_large_screen_has_the_latest_beside_the_rest(
    app: Callable[..., TuneApp], answering: Log
) -> None:
    async with app(run=answering.run).run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: "reference: delivery" in shown(pilot.app))
        assert "✗ It is in delivery" in shown(pilot.app)
        assert "✓ billing" in shown(pilot.app)
        assert "step 20, in 0.4 s" in shown(pilot.app)


async def test_without_answers_it_says_what_turns_them_on(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    async with app(run=new_run().run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "too early to tell" in shown(pilot.app))
        await pilot.press("a")
        await until(pilot, lambda: "evaluation.samples are above 0" in " ".join(shown(pilot.app).split()))
        await pilot.press("l", "q")
        assert isinstance(pilot.app.screen, Dashboard)
