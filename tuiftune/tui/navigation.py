"""The screens that are opened by name; each is imported when it is first shown."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.screen import Screen

SCREENS = {
    "home": ("home.home", "Home"),
    "machine": ("wizard.machine", "MachineStep"),
    "goal": ("wizard.goal.goal", "GoalStep"),
    "data": ("wizard.data.data", "DataStep"),
    "model": ("wizard.model.model", "ModelStep"),
    "review": ("wizard.review", "ReviewStep"),
    "dashboard": ("dashboard.dashboard", "Dashboard"),
    "replay": ("dashboard.replay", "ReplayScreen"),
    "result": ("dashboard.result", "ResultScreen"),
    "export": ("export.export", "Export"),
    "decide": ("decide.decide", "Decide"),
    "blind": ("blind.blind", "Blind"),
    "charts": ("charts.charts", "Charts"),
    "chat": ("chat.chat", "ChatScreen"),
    "compare": ("compare.compare", "Compare"),
    "help": ("help.help", "Help"),
    "palette": ("help.command_palette", "Palette"),
}


def screen_class(name: str) -> type[Screen[Any]]:
    """Return the class of a screen, from a module below `tuiftune.tui`."""
    module, found = SCREENS[name]
    kind: type[Screen[Any]] = getattr(import_module(f"tuiftune.tui.{module}"), found)
    return kind
