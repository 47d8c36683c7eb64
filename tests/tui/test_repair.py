"""Repair: shown before it is done, written beside the original, and taken into the draft."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.tui.wizard.data.clean import Repair
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.wizard.cleaning import output_of, with_sources
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.proposals import data_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)
WORDS = ("red", "green", "blue", "amber", "violet", "copper", "silver", "golden", "ivory", "coral", "olive")


def spoilt() -> bytes:
    """120 sound rows; 3 of them again, one with mojibake, one with a key, one without an answer."""
    rows = [
        {"prompt": f"Say {' '.join(WORDS[(n * k) % 11] for k in (1, 2, 4, 7))} {n}", "completion": f"As {n}."}
        for n in range(120)
    ]
    rows += rows[:3]
    rows.append({"prompt": "Where is the old cafÃ©, please?", "completion": "In the next street."})
    rows.append({"prompt": "What is the key?", "completion": "It is AKIAIOSFODNN7EXAMPLE."})
    rows.append({"prompt": "Is anybody there?", "completion": ""})
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def rows_in(path: str | Path) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


async def look(pilot: Any) -> None:
    pilot.app.open("data")
    await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
    await pilot.press("ctrl+r")
    await until(pilot, lambda: isinstance(pilot.app.screen, Repair) and "changed" in shown(pilot.app))


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
async def test_a_repair_is_shown_then_written_then_used(
    app: Callable[..., TuneApp], size: tuple[int, int]
) -> None:
    Path("sets").mkdir()
    source = Path("sets/rows.jsonl")
    source.write_bytes(spoilt())
    async with app(wizard=True, draft=Draft(data=("sets/rows.jsonl",))).run_test(size=size) as pilot:
        await look(pilot)
        text = shown(pilot.app)
        assert "126 rows → 122 rows, 4 dropped" in text
        assert "- 3 exact duplicate" in text
        assert "- 1 no trained tokens" in text
        assert "secrets redacted" in text
        assert "AKIAIOSFODNN7EXAMPLE" not in text, "a secret is not shown either"
        assert "caf[-Ã©-]{+é+}" in text
        assert list(Path("sets").iterdir()) == [source], "nothing is written before one says so"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.draft.data == ("sets/rows.clean.jsonl",))
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
    assert source.read_bytes() == spoilt(), "the original file is not changed"
    assert len(rows_in("sets/rows.clean.jsonl")) == 122
    assert Path("sets/rows.clean.manifest.json").exists()


async def test_a_split_sets_what_is_measured_on(app: Callable[..., TuneApp]) -> None:
    Path("rows.jsonl").write_bytes(spoilt())
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=SMALL) as pilot:
        await look(pilot)
        await pilot.press("2")
        await until(pilot, lambda: "keep one of each group" in shown(pilot.app))
        await pilot.press("7", "right")
        await until(pilot, lambda: "split  train " in shown(pilot.app))
        text = shown(pilot.app)
        assert "validation" in text
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.draft.data == ("rows.clean.train.jsonl",))
        assert pilot.app.draft.overrides["data.eval"] == "rows.clean.validation.jsonl"
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        parts = [len(rows_in(f"rows.clean.{name}.jsonl")) for name in ("train", "validation", "test")]
        assert parts[0] > 6 * parts[1]
        again = with_sources(pilot.app.draft, ("builtin:tickets",))
        assert "data.eval" not in again.overrides, "other data is not measured on these rows"
    for name in ("rows.jsonl", "rows.clean.jsonl", "rows.clean-7.jsonl"):
        assert output_of((name,), [Path(name)]) == Path("rows.clean-2.jsonl")
    assert "rows.clean.train.jsonl" in data_here()
    assert Path("rows.clean.changes.jsonl").exists()
    assert "rows.clean.changes.jsonl" not in data_here(), "it is an account, no rows"


async def test_a_folder_that_cannot_be_written_to_is_told(
    app: Callable[..., TuneApp],
) -> None:
    Path("rows.jsonl").write_bytes(spoilt())
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=SMALL) as pilot:
        await look(pilot)
        pilot.app.screen._output = Path("/proc/rows.clean.jsonl")
        await pilot.press("enter")
        await until(pilot, lambda: "✗ /proc/rows.clean.jsonl" in shown(pilot.app))
        assert isinstance(pilot.app.screen, Repair)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))
        assert pilot.app.draft.data == ("rows.jsonl",)


async def test_shares_an_evaluation_set_and_the_target_are_typed(app: Callable[..., TuneApp]) -> None:
    Path("rows.jsonl").write_bytes(spoilt())
    held = [json.loads(line) for line in spoilt().splitlines()[40:50]]
    Path("held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held))
    Path("taken.jsonl").write_text("{}")
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=SMALL) as pilot:
        await look(pilot)

        async def give(choice: str, text: str) -> None:
            """Mark the choice, and type over what it has."""
            await pilot.press(choice)
            if isinstance(pilot.app.screen, Repair):
                await pilot.press("e")
            await until(pilot, lambda: not isinstance(pilot.app.screen, Repair))
            await pilot.press("ctrl+u", "ctrl+k", *text, "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, Repair))

        await give("6", "held.jsonl")
        await until(pilot, lambda: "- 10 also in the evaluation set" in shown(pilot.app))
        await give("7", "7/3/1/1")
        await until(pilot, lambda: "7/3/1/1" in shown(pilot.app))
        await give("7", "70/30")
        await until(pilot, lambda: re.search(r"train \d+ \(7\d%\) · validation \d+", shown(pilot.app)))
        await give("8", "taken.jsonl")
        await until(pilot, lambda: "taken.jsonl: the file already exists" in shown(pilot.app))
        await give("8", "mine")
        await until(pilot, lambda: "mine.jsonl" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.draft.data == ("mine.train.jsonl",))
        assert pilot.app.draft.overrides["data.eval"] == "mine.validation.jsonl"
    kept = rows_in("mine.train.jsonl") + rows_in("mine.validation.jsonl")
    asked = {row["messages"][0]["content"] for row in kept}
    assert len(kept) == 112
    assert not asked & {row["prompt"] for row in held}
