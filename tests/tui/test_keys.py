"""One table of keys feeds bindings, key bar, help and palette."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from showing import SMALL, shown

from tuiftune.tui.app import STEP_SCREENS, TuneApp
from tuiftune.tui.keys import ACTIONS, APP, actions

if TYPE_CHECKING:
    from collections.abc import Callable

SCREENS = {
    "home": ("home", "Home"),
    "dashboard": ("dashboard", "Dashboard"),
    "replay": ("replay", "ReplayScreen"),
    "charts": ("charts", "Charts"),
    "compare": ("compare", "Compare"),
    "result": ("result", "ResultScreen"),
    "wizard": ("machine", "MachineStep"),
    "tokens": ("tokens", "TokenRows"),
    "cut": ("cut", "Cut"),
    "repair": ("repair", "Repair"),
    "checks": ("checks", "Checks"),
    "mix": ("mix", "Mixing"),
    "rows": ("rows", "Rows"),
    "cards": ("cards", "Cards"),
    "tour": ("coach", "Coach"),
    "prompting": ("prompt_starter", "PromptStarter"),
    "retrieval": ("retrieval_starter", "RetrievalStarter"),
    "why": ("why", "Why"),
    "answering": ("answering", "Answering"),
    **STEP_SCREENS,
}


def screen_of(scope: str) -> type:
    module, name = SCREENS[scope]
    found = getattr(importlib.import_module(f"tuiftune.tui.screens.{module}"), name)
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize("action", [action for action in ACTIONS if action.scope not in {"dialog"}], ids=str)
def test_every_action_of_the_table_is_there_to_be_done(action: object) -> None:
    scope, name = action.scope, action.name.partition("(")[0]  # type: ignore[attr-defined]
    owner = TuneApp if scope == APP else screen_of(scope)
    assert callable(getattr(owner, f"action_{name}"))


@pytest.mark.parametrize("scope", [*SCREENS])
def test_no_key_means_two_things_on_one_screen(scope: str) -> None:
    scopes = {*screen_of(scope).SCOPES, APP}  # type: ignore[attr-defined]
    keys = Counter(key for action in actions(*scopes) for key in action.keys.split(","))
    assert [key for key, times in keys.items() if times > 1] == []


def test_no_key_that_tmux_or_screen_take_for_themselves() -> None:
    keys = {key for action in ACTIONS for key in action.keys.split(",")}
    assert not keys & {"ctrl+b", "ctrl+a"}
    assert not [key for key in keys if key.startswith("alt+")]


async def test_help_lists_every_key_of_the_screen(app: Callable[..., TuneApp]) -> None:
    from tuiftune.tui.screens.help import Help

    async with app().run_test(size=SMALL) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Help)
        text = str(pilot.app.screen.text())
        for action in actions("home", APP):
            if action.label:
                assert action.says in text
        assert "Help" in shown(pilot.app)  # type: ignore[arg-type]
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, Help)


async def test_the_palette_finds_actions_and_does_them(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        before = pilot.app.theme
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        await pilot.press(*"next colour")
        await pilot.pause(0.6)
        await pilot.press("enter")
        await pilot.pause(0.5)
        assert pilot.app.theme != before
