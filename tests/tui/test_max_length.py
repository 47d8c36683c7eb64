"""One slider, four consequences: each moves when max_length does, and the choice reaches the preset."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.max_length import MaxLengthScreen, places
from tuiftune.tui.wizard.data.max_length_view import CutView
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)


def test_the_slider_stands_at_useful_lengths_only() -> None:
    assert places(300, 2048, 2048) == [64, 96, 128, 192, 256, 300, 2048]
    assert places(5000, 2048, 512)[-1] == 2048, "no further than the model reads"
    assert places(40, 2048, 128) == [40, 128]
    assert places(9000, 2048, 4096)[-1] == 2048


def figures(text: str) -> list[str]:
    """The line of figures under the four titles."""
    lines = text.splitlines()
    at = next(row for row, line in enumerate(lines) if "truncated" in line and "answer lost" in line)
    return re.split(r"\s{2,}", lines[at + 1].strip())


async def settled(pilot: Any) -> list[str]:
    await until(
        pilot,
        lambda: (
            "truncated" in shown(pilot.app)
            and "answer lost" in shown(pilot.app)
            and "…" not in "".join(figures(shown(pilot.app)))
        ),
    )
    return figures(shown(pilot.app))


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
async def test_all_four_move_with_the_slider(app: Callable[..., TuneApp], size: tuple[int, int]) -> None:
    rows = [{"prompt": f"Say {n}.", "completion": "It is a long story. " * (1 + n // 2)} for n in range(100)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny").override("training.micro_batch", 1)
    async with app(wizard=True, draft=draft).run_test(size=size) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(pilot.app.screen, MaxLengthScreen))
        assert pilot.app.screen._at == 2048
        whole = await settled(pilot)
        assert whole[:2] == ["✓ 0 rows", "✓ 0.0%"]
        assert "GiB" in whole[2] or "MiB" in whole[2]
        first = pilot.app.screen.query_one(CutView)._plan
        assert first is not None
        await pilot.press("home")
        short = await settled(pilot)
        assert "64 tokens" in shown(pilot.app)
        assert int(short[0].split()[1]) > 50
        assert float(short[1].split()[1].rstrip("%")) > 50
        assert pilot.app.screen.query_one(CutView)._plan.memory.needs < first.memory.needs
        assert short[3] != whole[3], "less to read is less to wait for"
        await pilot.press("right", "right")
        longer = await settled(pilot)
        assert int(longer[0].split()[1]) < int(short[0].split()[1])
        assert "128 tokens" in shown(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))
        assert pilot.app.draft.overrides["data.max_length"] == 128
