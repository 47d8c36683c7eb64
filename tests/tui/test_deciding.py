"""Decide and blind review in the app. The model of a decision answers by a rule; votes are real files."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import snapshot
from showing import SMALL, shown, until

from tuiftune.errors import UserError
from tuiftune.evaluate import reviewing
from tuiftune.evaluate.contender import Answered
from tuiftune.jobs import deciding
from tuiftune.jobs.contenders import Contenders
from tuiftune.jobs.decision_request import Wanted
from tuiftune.runs.store import reviews

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from showing import Log

    from tuiftune.data.example import Message
    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)


class Copies:
    """Answers with the last word that it was shown an example of; waits where it is told to."""

    losses = False
    name = identity = "copies"

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.asked = 0

    def respond(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, done: Callable[..., None]
    ) -> None:
        for at, messages in enumerate(prompts):
            self.asked += 1
            assert self.may_go_on.wait(30)
            shots = [one.content for one in messages if one.role == "assistant"]
            word = messages[-1].content.split()[-1]
            done(at, Answered(f"so {word}" if shots else word, tokens_in=20, tokens_out=3, seconds=0.02))

    def likelihoods(self, rows: Any) -> list[None]:
        return [None] * len(rows)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Copies:
    made = Copies()
    monkeypatch.setattr(Contenders, "local", lambda *_: made)
    return made


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    told = [{"prompt": f"Repeat word{n}", "completion": f"so word{n}"} for n in range(100)]
    path.write_text("".join(json.dumps(row) + "\n" for row in told))
    return path.name


@pytest.mark.parametrize(("name", "size"), [("decide", SMALL), ("decide-wide", WIDE)])
async def test_contenders_are_drawn_as_they_are_measured(
    name: str,
    size: tuple[int, int],
    app: Callable[..., TuneApp],
    model: Copies,
    rows: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = deciding.Outcome
    monkeypatch.setattr(deciding, "Outcome", lambda *given: made(*given[:-1], 72.0))
    async with app().run_test(size=size) as pilot:
        model.may_go_on.clear()
        pilot.app.open("decide", Wanted(rows, model="copies"))  # type: ignore[attr-defined]
        await until(pilot, lambda: "zero-shot: 0 of 20 rows" in shown(pilot.app))
        model.may_go_on.set()
        await until(pilot, lambda: "Use few-shot examples" in shown(pilot.app))
        await until(pilot, lambda: "0.0% (0.0 to 16.1%)" in shown(pilot.app))  # drawn after the verdict
        assert "100.0% (83.9 to 100.0%)" in shown(pilot.app), "Wilson's interval of 20 of 20"
        snapshot.check(name, pilot.app)  # type: ignore[arg-type]


async def test_closing_ends_the_measuring(
    app: Callable[..., TuneApp], model: Copies, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()
    monkeypatch.setattr(Contenders, "close", lambda _: closed.set())
    async with app().run_test(size=SMALL) as pilot:
        model.may_go_on.clear()
        pilot.app.open("decide", Wanted(rows, model="copies"))  # type: ignore[attr-defined]
        await until(pilot, lambda: model.asked == 1)
        await pilot.press("escape")
        await until(pilot, closed.is_set)
        model.may_go_on.set()
        await pilot.pause(0.3)
        assert model.asked <= 2, "the thread ends at its next answer"


async def test_what_cannot_be_measured_is_a_line(app: Callable[..., TuneApp], tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 12)
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.open("decide", Wanted("few.jsonl", model="builtin:tiny"))  # type: ignore[attr-defined]
        await until(pilot, lambda: "decision needs 8 or more" in shown(pilot.app))


async def test_the_goal_asks_for_rows_and_a_model(
    app: Callable[..., TuneApp], model: Copies, rows: str
) -> None:
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "CPU" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "1 of 9" in shown(pilot.app))
        await pilot.press("m")
        await until(pilot, lambda: "Which rows?" in shown(pilot.app))
        await pilot.press("ctrl+u", *rows, "enter")
        await until(pilot, lambda: "Which model is prompted?" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Use few-shot examples" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "1 of 9" in shown(pilot.app))


ROWS = [
    {"row": n, "prompt": f"Say {n}", "reference": str(n), "before": f"before {n}", "after": f"after {n}"}
    for n in range(1, 4)
]


async def test_a_review_is_blind_kept_at_once_and_continued(
    finished: Log, app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ann")
    path = finished.run.path / "result" / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    items = reviewing.items(ROWS, "ann")
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("r")
        await until(pilot, lambda: ": result" in shown(pilot.app))
        await pilot.press("b")
        await until(pilot, lambda: "Who votes?" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "row 1 of 3" in shown(pilot.app))
        screen = shown(pilot.app)
        assert screen.index(items[0].left) < screen.index(items[0].right)
        assert "fine-tuned" not in screen
        assert "base model" not in screen
        await pilot.press("enter")  # nothing is voted yet: nothing is kept
        assert reviews.votes(finished.run) == []
        await pilot.press("2", "0", "1", "backspace", "2", "enter")
        await until(pilot, lambda: "row 2 of 3" in shown(pilot.app))
        (vote,) = reviews.votes(finished.run)
        assert (vote.reviewer, vote.row) == ("ann", items[0].row)
        right = items[0].side("right")
        assert vote.sides == {"overall": right, "helpful": "tie", "accurate": right}
        await pilot.press("n")
        await until(pilot, lambda: "Kept with the vote" in shown(pilot.app))
        await pilot.press("o", "k", "enter", "1", "enter")
        await until(pilot, lambda: "row 3 of 3" in shown(pilot.app))
        assert reviews.votes(finished.run)[-1].note == "ok"
        await pilot.press("escape", "b")
        await until(pilot, lambda: "Who votes?" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "row 3 of 3" in shown(pilot.app))
        await pilot.press("0", "enter")
        await until(pilot, lambda: "3 votes on 3 rows by ann" in shown(pilot.app))


async def test_a_vote_that_cannot_be_kept_is_told_and_not_lost(
    finished: Log, app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished.run.path / "result" / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def full(*_: object) -> None:
        raise UserError("no space left on device", place="reviews.jsonl")

    monkeypatch.setattr(reviews, "add", full)
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.open("blind", finished.run, "ann")  # type: ignore[attr-defined]
        await until(pilot, lambda: "row 1 of 3" in shown(pilot.app))
        await pilot.press("1", "enter")
        await until(pilot, lambda: "no space left" in shown(pilot.app))
        assert "row 1 of 3" in shown(pilot.app)
        assert "answer 1" in shown(pilot.app), "the vote stands, to be kept again"
