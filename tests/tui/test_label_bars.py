"""Classification: how many labels, how evenly, and the largest as bars, beside the lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from showing import SMALL, shown, until

from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)
COUNTS = {"delivery \x1b[31m": 60, "refund": 30, "account": 9, "praise": 3}


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
async def test_labels_are_counted_and_drawn(app: Callable[..., TuneApp], size: tuple[int, int]) -> None:
    rows = [
        {"text": f"Question {n} about {label[:6]}?", "label": label}
        for label in COUNTS
        for n in range(COUNTS[label])
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=size) as pilot:
        pilot.app.open("data")  # type: ignore[attr-defined]
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        await until(pilot, lambda: "median" in shown(pilot.app))  # type: ignore[arg-type]
        text = shown(pilot.app)  # type: ignore[arg-type]
        assert "4, 3 to 60 rows each" in text
        facts = [line[: 36 if size == SMALL else 50] for line in text.splitlines()]
        first = next(line for line in facts if line.strip(" │").startswith("delivery"))
        second = next(line for line in facts if line.strip(" │").startswith("refund"))
        assert first.count("█") >= 2 * second.count("█") - 1
        assert "\x1b" not in text
        for key in ("^y Tokens", "^s Map", "^r Clean", "? Help"):
            assert key in text.splitlines()[-1]
