"""From a check to its rows, and from there to the remedy with one key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until
from test_repair import spoilt

from tuiftune.data.checks.check import Check
from tuiftune.data.checks.where import spans
from tuiftune.tui.help.help import Help
from tuiftune.tui.wizard.data.check_list import CheckList
from tuiftune.tui.wizard.data.checks import Checks
from tuiftune.tui.wizard.data.clean import Repair
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.flagged_rows import Rows
from tuiftune.tui.wizard.data.max_length import MaxLengthScreen
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.remedies import remedy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)


async def all_checks(pilot: Any) -> None:
    """From the start of the wizard to the list of checks, all of them there."""
    pilot.app.open("data")
    await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
    view = pilot.app.screen.query_one(CheckList)
    await until(pilot, lambda: any(check.check == "leakage" for check in view.checks))
    await pilot.press("ctrl+g")
    await until(pilot, lambda: isinstance(pilot.app.screen, Checks))


async def mark(pilot: Any, name: str) -> None:
    """Move down to a check by its name."""
    for _ in range(40):
        if pilot.app.screen.marked.check == name:
            return
        await pilot.press("down")
    pytest.fail(f"{name} is not in the list\n{shown(pilot.app)}")


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
async def test_a_check_leads_to_its_rows_and_to_its_remedy(
    app: Callable[..., TuneApp], size: tuple[int, int]
) -> None:
    rows = [json.loads(line) for line in spoilt().splitlines()]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=size) as pilot:
        await all_checks(pilot)
        await until(pilot, lambda: "findings" in shown(pilot.app))
        await mark(pilot, "exact-duplicates")
        await until(pilot, lambda: "f     opens cleaning" in shown(pilot.app))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, Help))
        assert "get memorized" in " ".join(str(pilot.app.screen.text()).split())
        await pilot.press("escape")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Rows) and "row 121" in shown(pilot.app))
        text = shown(pilot.app)
        assert "1 of 3 flagged" in text
        assert "similar to row 1" in text
        await pilot.press("n")
        await until(pilot, lambda: "row 122" in shown(pilot.app))
        await pilot.press("p", "left")
        await until(pilot, lambda: "row 120" in shown(pilot.app) and "not flagged" in shown(pilot.app))
        await pilot.press("escape")
        await mark(pilot, "encoding")
        await pilot.press("enter")
        await until(pilot, lambda: "caf{Ã©}" in shown(pilot.app))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, Repair) and "changed" in shown(pilot.app))


async def test_the_remedy_comes_with_its_option_set(app: Callable[..., TuneApp]) -> None:
    rows = [json.loads(line) for line in spoilt().splitlines()]
    rows.append({"prompt": rows[7]["prompt"], "completion": "Rather like seven, I should say."})
    rows.append({"prompt": "Who are you?", "completion": "I'm sorry, but I can't help with that."})
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny").override("data.max_length", 32)
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await all_checks(pilot)
        for name, said in (("conflicting-answers", "‹ merge ›"), ("refusals", "‹ refusals ›")):
            await mark(pilot, name)
            await pilot.press("f")
            await until(pilot, lambda said=said: said in shown(pilot.app))
            await until(pilot, lambda: "changed" in shown(pilot.app))
            await pilot.press("escape", "ctrl+g")
            await until(pilot, lambda: isinstance(pilot.app.screen, Checks))
        await mark(pilot, "truncation")
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, MaxLengthScreen))


def test_every_remedy_is_a_setting_of_a_clean_run() -> None:
    from tuiftune.data.clean.run import Settings
    from tuiftune.wizard.remedies import ALWAYS, OPTIONS

    for name in (*ALWAYS, *OPTIONS, "refusals", "leakage"):
        check = Check(name, name, "warning", 3)
        for evaluation in (0.05, "held.jsonl"):
            remedy = remedy_of(check, evaluation)
            assert remedy is not None
            Settings(**remedy.chosen)
    assert remedy_of(Check("leakage", "", "error", 1), "held.jsonl").chosen == {"against": "held.jsonl"}  # type: ignore[union-attr]
    assert remedy_of(Check("label-balance", "", "warning", 9), 0.05) is None
    assert remedy_of(Check("secrets", "", "ok", 0), 0.05) is None


@pytest.mark.parametrize(
    ("check", "text", "found"),
    [
        ("encoding", "a cafÃ© here", ["Ã©"]),
        ("special-tokens", "so</s> and <|im_end|>", ["</s>", "<|im_end|>"]),
        ("placeholders", "Dear {{ name }},", ["{{ name }}"]),
        ("secrets", "key AKIAIOSFODNN7EXAMPLE, mail a.b@mail.org", ["AKIAIOSFODNN7EXAMPLE"]),
        ("personal-data", "key AKIAIOSFODNN7EXAMPLE, mail a.b@mail.org", ["a.b@mail.org"]),
        ("refusals", "I can't", []),
    ],
)
def test_where_the_fault_is(check: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in spans(check, text)] == found


async def test_a_check_that_ends_while_the_screen_opens_is_shown(app: Callable[..., TuneApp]) -> None:
    async with app(wizard=True, draft=Draft(data=("builtin:tickets",))).run_test(size=WIDE) as pilot:
        await all_checks(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, Checks)
        fresh = Checks(screen._draft, screen._dataset, screen._checks[:1])
        pilot.app.push_screen(fresh)
        fresh.take(screen._checks)  # nothing of it is composed yet
        await until(pilot, lambda: pilot.app.screen is fresh and "passed" in shown(pilot.app))
        assert len(fresh._checks) > 1
