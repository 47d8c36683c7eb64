"""Mixing on the screen: sources are added, weighed and counted, and go into the preset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.mix import Mixing
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp


def rows(path: str, count: int) -> None:
    Path(path).write_text(
        "".join(
            json.dumps({"prompt": f"{path} says what about {n} and {n * 7}?", "completion": f"It says {n}."})
            + "\n"
            for n in range(count)
        )
    )


async def give(pilot: Any, key: str, text: str) -> None:
    """Press a key that asks, and answer."""
    await pilot.press(key)
    await until(pilot, lambda: not isinstance(pilot.app.screen, Mixing))
    await pilot.press(*text, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, Mixing))


@pytest.mark.parametrize("size", [SMALL, (120, 40)], ids=["80x24", "120x40"])
async def test_sources_are_weighed_and_counted(app: Callable[..., TuneApp], size: tuple[int, int]) -> None:
    rows("main.jsonl", 100)
    rows("general.jsonl", 400)
    draft = Draft(data=("main.jsonl",), model="builtin:tiny").override("data.eval", 0.0)
    async with app(wizard=True, draft=draft).run_test(size=size) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "One epoch has 100 rows." in shown(pilot.app))
        await give(pilot, "a", "general.jsonl")
        await until(pilot, lambda: "One epoch has 111 rows." in shown(pilot.app))
        await give(pilot, "e", "0.5")
        await until(pilot, lambda: "One epoch has 300 rows." in shown(pilot.app))
        await pilot.press("right")
        await until(pilot, lambda: "One epoch has 500 rows." in shown(pilot.app))
        await give(pilot, "e", "much")
        await until(pilot, lambda: "is not a valid amount" in shown(pilot.app))
        await give(pilot, "a", "nowhere.jsonl")
        await until(pilot, lambda: "nowhere.jsonl: no such file" in shown(pilot.app))
        assert "general.jsonl" in shown(pilot.app)
        await pilot.press("down", "down", "right", "right", "right")
        await until(pilot, lambda: "One epoch has 300 rows." in shown(pilot.app))  # √(400/100) · 100 more
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and "epoch" in shown(pilot.app))
        assert pilot.app.draft.preset().data.mix_temperature == 2.0
        assert "300 rows: your data 33%" in " ".join(shown(pilot.app).split())
        await until(pilot, lambda: pilot.app.screen._ready)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "One epoch has 300 rows." in shown(pilot.app))
        await pilot.press("x", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))
        assert "data.mix" not in pilot.app.draft.overrides
        assert pilot.app.draft.preset().data.mix_temperature is None
