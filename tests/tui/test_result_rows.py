"""The result leads on: which rows are wrong, by label, before and after; scores per label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.runs.store.result_rows import ResultRow, result_rows
from tuiftune.tui.dashboard.label_scores import LabelScores
from tuiftune.tui.dashboard.result import ResultScreen
from tuiftune.tui.dashboard.wrong_rows import WrongRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp

LABELS = ("billing", "login", "shipping")


@pytest.fixture
def scored(finished: Log) -> Log:
    """Thirty rows of three labels: ten were right before, three are wrong now, one of them newly."""
    rows = []
    for number in range(30):
        label = LABELS[number % 3]
        before = label if number % 3 == 0 else "Hello!"
        after = {3: "login", 4: "shipping", 5: "billing"}.get(number, label)
        rows.append(
            {
                "row": number + 1,
                "prompt": f"ticket {number}",
                "reference": label,
                "before": before,
                "after": after,
                "matched_before": before == label,
                "matched_after": after == label,
            }
        )
    folder = finished.run.result_path
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{damaged\n")
    return finished


def test_every_row_is_read_and_a_damaged_line_is_passed_over(scored: Log) -> None:
    rows = result_rows(scored.run)
    assert len(rows) == 30
    assert sum(row.right_before for row in rows) == 10
    assert [row.row for row in rows if not row.right_after] == [4, 5, 6]


async def test_wrong_rows_are_listed_by_label_and_by_what_changed(
    app: Callable[..., TuneApp], scored: Log
) -> None:
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(ResultScreen(scored.run))
        await until(pilot, lambda: "Wrong rows" in shown(pilot.app).splitlines()[-1])
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, WrongRows))
        await until(pilot, lambda: "wrong now: 3 rows (10%)" in shown(pilot.app))
        assert "ticket 3" in shown(pilot.app), "the first of them in full"
        await pilot.press("j")
        await until(pilot, lambda: "ticket 4" in shown(pilot.app))
        await pilot.press("right")
        await until(pilot, lambda: "1 row of billing" in shown(pilot.app))
        await pilot.press("right", "s")
        await until(
            pilot, lambda: "No row of login was right before training and is wrong now" in words(pilot)
        )
        await pilot.press("left", "left")
        await until(pilot, lambda: "wrong now, right before: 1 row (3%)" in shown(pilot.app))
        await pilot.press("s")
        await until(pilot, lambda: "right now, wrong before: 18 rows" in shown(pilot.app))
        await pilot.press("slash", *"ticket 7", "enter")
        await until(pilot, lambda: "ticket 7" in shown(pilot.app))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ResultScreen))


def words(pilot: Any) -> str:
    return " ".join(shown(pilot.app).split())


async def test_labels_have_their_scores_and_the_matrix_of_their_confusions(
    app: Callable[..., TuneApp], scored: Log
) -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        pilot.app.push_screen(ResultScreen(scored.run))
        await until(pilot, lambda: "Labels" in shown(pilot.app).splitlines()[-1])
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScores))
        await until(pilot, lambda: "confusion matrix" in shown(pilot.app))
        table = [line.split() for line in shown(pilot.app).splitlines()]
        assert ["billing", "10", "0.90", "0.90", "0.90", "1.00"] in table
        assert ["1", "billing", "9", "1", "·", "·"] in table
        assert ["1", "billing", "→", "login"] in table


async def test_labels_that_are_only_alike_are_told(app: Callable[..., TuneApp], scored: Log) -> None:
    rows = [ResultRow(n, f"ticket {n}", "LOGIN", "", "login", False, False) for n in range(3)]
    rows += [ResultRow(n, f"ticket {n}", "LOGIN", "", "LOGIN", False, True) for n in range(3, 9)]
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(LabelScores("tone", rows))
        await until(pilot, lambda: "3 answers differ from the label only in case" in shown(pilot.app))


async def test_a_result_without_rows_offers_neither(app: Callable[..., TuneApp], finished: Log) -> None:
    (finished.run.result_path / "samples.jsonl").unlink(missing_ok=True)
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(ResultScreen(finished.run))
        await until(pilot, lambda: "Back" in shown(pilot.app).splitlines()[-1])
        assert "Wrong rows" not in shown(pilot.app).splitlines()[-1]
        assert "Labels" not in shown(pilot.app).splitlines()[-1]


async def test_a_run_that_stopped_early_says_of_how_many_steps(
    app: Callable[..., TuneApp], finished: Log
) -> None:
    path = finished.run.result_path / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_steps": 120}))
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(ResultScreen(finished.run))
        await until(pilot, lambda: "40 of 120 steps, stopped early" in shown(pilot.app))
