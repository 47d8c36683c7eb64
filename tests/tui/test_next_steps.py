"""The ways on from a verdict: a prompt from the rows, retrieval over the documents, training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.advice.approach import decide, swings
from tuiftune.advice.recommendation import TITLES, ways
from tuiftune.tui.wizard.data.data_choice import DataChoice
from tuiftune.tui.wizard.goal.goal import FromData, GoalStep
from tuiftune.tui.wizard.goal.next_steps import Ways
from tuiftune.tui.wizard.goal.prompt_starter import PromptStarter
from tuiftune.tui.wizard.goal.question_view import QuestionView
from tuiftune.tui.wizard.goal.retrieval_starter import RetrievalStarter
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

LARGE = (120, 40)


async def test_an_answer_that_the_data_gives_is_not_put_out_by_enter(app: Callable[..., TuneApp]) -> None:
    """The question stands open, the cursor on the skip, when the data's own answer comes."""
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.open("goal")
        await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep))
        screen = pilot.app.screen
        question = screen.question
        given = question.options[1].key
        screen.post_message(FromData({question.key: given}))
        await until(pilot, lambda: "(your data)" in shown(pilot.app))
        assert screen.query_one(QuestionView).chosen == given
        await pilot.press("enter")
        assert pilot.app.draft.answers[question.key] == given

        other = screen.question
        await pilot.press("down", "down")  # somebody has chosen already
        mine = screen.query_one(QuestionView).chosen
        screen.post_message(FromData({other.key: other.options[0].key}))
        await pilot.pause()
        await pilot.press("enter")
        assert pilot.app.draft.answers[other.key] == mine


async def goal(pilot: Any, *keys: str) -> None:
    pilot.app.open("goal")
    await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep) and "of 9" in shown(pilot.app))
    await pilot.press(*keys)


async def test_a_prompt_is_shown_first_and_written_where_one_says(app: Callable[..., TuneApp]) -> None:
    async with app(draft=Draft(data=("builtin:tickets",))).run_test(size=SMALL) as pilot:
        await goal(pilot, "1", "t")
        await until(pilot, lambda: "Next step" in shown(pilot.app))
        assert "recommended" in shown(pilot.app)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PromptStarter))
        await until(pilot, lambda: "Chose 6 of 1,014 rows" in shown(pilot.app))
        assert "# Task" in shown(pilot.app)
        assert not list(Path().glob("*/prompt.md")), "nothing is written before one says so"
        await pilot.press("ctrl+u", *"mine", "enter")
        await until(pilot, lambda: "Wrote mine/prompt.md" in shown(pilot.app))
        rows = [json.loads(line) for line in Path("mine/few-shot.jsonl").read_text().splitlines()]
        assert len(rows) == 6
        assert "{input}" in Path("mine/prompt.md").read_text()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "already exists" in shown(pilot.app))
        await pilot.press("down", "shift+tab", "ctrl+u", *"nowhere.csv", "enter")
        await until(pilot, lambda: "✗" in shown(pilot.app) and "nowhere.csv" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep))


async def test_documents_are_searched_as_one_types(app: Callable[..., TuneApp]) -> None:
    Path("docs").mkdir()
    Path("docs/moving.md").write_text("To send an order to another address, write before noon.\n")
    Path("docs/money.txt").write_text("A refund is paid within five days.\n")
    draft = Draft(data=("builtin:tickets",), answers={"task": "knowledge", "facts": "documents"})
    async with app(draft=draft).run_test(size=SMALL) as pilot:
        await goal(pilot, "t")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ways))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RetrievalStarter))
        await until(pilot, lambda: "2 passages from 2 files" in shown(pilot.app))
        await until(pilot, lambda: "moving.md:1" in shown(pilot.app) or "money.txt:1" in shown(pilot.app))
        await pilot.press(*"refund?")
        await until(pilot, lambda: "1 money.txt:1" in shown(pilot.app))
        assert "A refund is paid within five days." in shown(pilot.app)
        await pilot.press("down")
        await until(pilot, lambda: "refund?" not in shown(pilot.app))
        await pilot.press("ctrl+s", "ctrl+u", *"mine", "enter")
        await until(pilot, lambda: "Wrote mine/prompt.md" in shown(pilot.app))
        assert "Answer the question from the sources alone" in Path("mine/prompt.md").read_text()
        assert len(json.loads(Path("mine/index.json").read_text())["passages"]) == 2
        await pilot.press("shift+tab", "ctrl+u", *"nowhere", "enter")
        await until(pilot, lambda: "file or directory not found" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep))


async def test_the_last_answer_leads_to_the_ways_and_training_goes_on(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await goal(pilot, "1", *["0"] * 7, "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ways))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataChoice))


async def test_the_weighing_names_what_decides_and_leads_to_the_ways(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=LARGE) as pilot:
        await goal(pilot, "1", "v")
        await until(pilot, lambda: "this answer decides; without it: prompting" in shown(pilot.app))
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ways))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep))


async def test_without_an_answer_of_ones_own_enter_goes_straight_on(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await goal(pilot, *["enter"] * 9)
        await until(pilot, lambda: isinstance(pilot.app.screen, DataChoice))


@pytest.mark.parametrize("approach", list(TITLES))
def test_every_verdict_has_its_first_step_in_the_app(approach: str) -> None:
    offered = [way.key for way in ways(approach)]
    assert sorted(offered) == ["fine-tune", "prompt", "rag"]
    assert offered[0] in approach


async def test_a_large_screen_shows_all_questions_with_their_answers(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=(200, 60)) as pilot:
        await goal(pilot, "1", "0", "3")
        await until(pilot, lambda: "all questions" in shown(pilot.app))
        lines = [line[:96] for line in shown(pilot.app).splitlines()]
        assert any("weekly, daily, all the time" in line for line in lines)
        assert any("Do you have answers ranked against each other?" in line for line in lines)


def test_what_decides_is_named() -> None:
    answers = {"task": "classify", "tried": "prompting"}
    assert decide(answers).approach == "fine-tune"
    assert swings(answers) == {"task": "prompt"}
    assert swings({}) == {}
