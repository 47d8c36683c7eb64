"""The column mapping on the screen: what was guessed, another format or column, and how rows then read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.tui.help.help import Help
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.mapping import ColumnMapping
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

ROWS = [{"frage": f"Was ist {n}?", "antwort": f"Es ist {n}.", "ton": "sachlich", "id": n} for n in range(60)]


def write(path: str, rows: list[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


async def data_step(pilot: Any) -> None:
    pilot.app.open("data")
    await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))


async def mapping(pilot: Any) -> None:
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, ColumnMapping) and "format" in shown(pilot.app))


def words(app: Any) -> str:
    return " ".join(shown(app).split())


@pytest.mark.parametrize("size", [SMALL, (120, 40)], ids=["80x24", "120x40"])
async def test_a_file_nobody_knows_is_mapped_and_read(
    app: Callable[..., TuneApp], size: tuple[int, int]
) -> None:
    write("fragen.jsonl", ROWS)
    draft = Draft(data=("fragen.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=size) as pilot:
        await data_step(pilot)
        await until(pilot, lambda: "was not detected" in words(pilot.app))
        await until(pilot, lambda: "^s" in words(pilot.app))
        await pilot.press("enter")  # leads on to the columns
        await until(
            pilot, lambda: isinstance(pilot.app.screen, ColumnMapping) and "format" in shown(pilot.app)
        )
        await until(pilot, lambda: "no known format: choose the columns below" in words(pilot.app))
        await until(pilot, lambda: "1 frage text Was ist 0?" in words(pilot.app))
        await until(
            pilot, lambda: "prompt frage completion antwort" in words(pilot.app)
        )  # the two of sentences
        await until(pilot, lambda: "assistant Es ist 0." in words(pilot.app))
        await pilot.press("g", "right", "right", "right", "right")  # instruction, chat, sharegpt, pairs
        await until(pilot, lambda: "Choose the column of prompt and of completion" in words(pilot.app))
        await pilot.press("enter")  # it can't be taken like this
        assert isinstance(pilot.app.screen, ColumnMapping)
        await pilot.press("down", "1")
        await until(pilot, lambda: "Choose the column of completion" in words(pilot.app))
        await pilot.press("1")
        await until(pilot, lambda: "cannot be both prompt and completion" in words(pilot.app))
        await pilot.press("k", "right")  # back from the context: the answer is the next column
        await until(pilot, lambda: "assistant Es ist 0." in words(pilot.app))
        await pilot.press("pagedown")
        await until(pilot, lambda: "1 user Was ist 0?" not in words(pilot.app))
        await pilot.press("pageup", "down", "down", "h")  # the system message: the last column, then the tone
        await until(pilot, lambda: "system 0" in words(pilot.app))
        await pilot.press("left")
        await until(pilot, lambda: "system sachlich" in words(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        data = pilot.app.draft.preset().data
        assert data.format == "prompt-completion"
        assert data.columns == {"prompt": "frage", "completion": "antwort", "system": "ton"}
        await until(pilot, lambda: "the format is set, not detected" in words(pilot.app))
        await mapping(pilot)  # what was taken stands there, and goes back to the guess
        await until(pilot, lambda: "prompt-completion" in shown(pilot.app))
        await pilot.press("g")
        await until(pilot, lambda: "auto: ?" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))
        assert pilot.app.draft.columns == data.columns


async def test_what_was_guessed_is_overruled(app: Callable[..., TuneApp]) -> None:
    write("two.jsonl", [{"question": f"Q{n}?", "answer": f"Long {n}.", "short": f"S{n}"} for n in range(30)])
    draft = Draft(data=("two.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await data_step(pilot)
        await until(pilot, lambda: pilot.app.screen._ready)
        await mapping(pilot)
        await until(pilot, lambda: "detected prompt-completion" in words(pilot.app))
        await until(pilot, lambda: "assistant Long 0." in words(pilot.app))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, Help))
        await pilot.press("escape")
        await pilot.press("j", "j", "l")
        await until(pilot, lambda: "assistant S0" in words(pilot.app))
        await pilot.press("0")
        await until(pilot, lambda: "Choose the column of completion" in words(pilot.app))
        await pilot.press("3")
        await until(pilot, lambda: "assistant S0" in words(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        await until(pilot, lambda: "assistant S0" in words(pilot.app))
        assert pilot.app.draft.columns == {"completion": "short"}


async def test_preference_rows_are_trained_by_their_chosen_answers(app: Callable[..., TuneApp]) -> None:
    write("dpo.jsonl", [{"prompt": f"P{n}", "chosen": f"good {n}", "rejected": "bad"} for n in range(30)])
    draft = Draft(data=("dpo.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await data_step(pilot)
        await until(pilot, lambda: "30 rows of preference" in words(pilot.app))
        await mapping(pilot)
        await until(pilot, lambda: "rejected bad" in words(pilot.app))
        await pilot.press("l", "l", "l", "l")
        await until(pilot, lambda: "assistant good 0" in words(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)


async def test_many_columns_scroll_and_an_unreadable_file_says_so(app: Callable[..., TuneApp]) -> None:
    write("wide.jsonl", [{f"c{n}": f"value {n}" for n in range(30)}] * 20)
    Path("bad.jsonl").write_text("{\n")
    draft = Draft(data=("wide.jsonl",), model="builtin:tiny", format="text", columns={"text": "c25"})
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await data_step(pilot)
        await until(pilot, lambda: pilot.app.screen._ready)
        await mapping(pilot)
        await pilot.press("down")
        await until(pilot, lambda: "c25 text value 25" in words(pilot.app))
        await until(pilot, lambda: "of 30" in shown(pilot.app))
        await pilot.press("9")
        await until(pilot, lambda: "text value 8" in words(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))
        pilot.app.screen.query_one("#path").value = "bad.jsonl"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "bad.jsonl:2: not JSON" in words(pilot.app))
        await pilot.press("down", "right", "2", "g", "enter", "q")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))


@pytest.mark.parametrize("answers", [{"task": "classify"}, {}], ids=["goal", "values"])
async def test_columns_that_are_not_detected_begin_with_labels_by_goal_or_values(
    app: Callable[..., TuneApp], answers: dict[str, str]
) -> None:
    """Dates are as few and short as labels, and are none."""
    rows = [
        {"frage": f"Wo ist {n}?", "art": "abc"[n % 3], "id": n, "am": f"2024-0{n % 9 + 1}-11"}
        for n in range(60)
    ]
    write("fragen.jsonl", rows)
    draft = Draft(data=("fragen.jsonl",), model="builtin:tiny", answers=answers)
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await data_step(pilot)
        await until(
            pilot, lambda: "press Enter to say which column" in words(pilot.app).replace("Press", "press")
        )
        await pilot.press("enter")
        await until(pilot, lambda: "‹ classification ›" in words(pilot.app))
        await until(pilot, lambda: "text frage label art" in words(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        data = pilot.app.draft.preset().data  # type: ignore[attr-defined]
        assert data.format == "classification"
