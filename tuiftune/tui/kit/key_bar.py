"""The bottom line: the keys that work here, the most useful first, as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.tui.keys.actions import actions, works_on
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click

    from tuiftune.tui.keys.table import Action

FEWEST = 8  # keys that are shown if there are that many


class KeyBar(Canvas):
    """The keys of the screen's scopes, from the key table. Help is always at the right edge."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self._scopes = scopes
        self._places: list[tuple[int, int, str]] = []

    def usable(self) -> list[Action]:
        """Return the actions that are available now, in order of the bar."""
        found = []
        for action in sorted(actions(*self._scopes, APP), key=lambda item: item.bar):
            if not action.bar or action.name in getattr(self.screen, "not_in_bar", ()):
                continue
            if works_on(self.screen, action):
                found.append(action)
        return found

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        line = Line()
        self._places = []
        shown, gap = fitting(self.usable(), width)
        for action in shown:
            if action.name == "help":
                line.to(width - cell_len(f" {action.shown} {action.label} "))
            self._add(line, action, gap)
        return [line]

    def _add(self, line: Line, action: Action, gap: str) -> None:
        start = line.width
        line.add(f" {action.shown} ", "key").add(f"{action.label}{gap}", "soft")
        self._places.append((start, line.width, action.name))

    async def on_click(self, event: Click) -> None:
        for start, stop, name in self._places:
            if start <= event.x < stop:
                await self.screen.run_action(name) if hasattr(
                    self.screen, f"action_{name.partition('(')[0]}"
                ) else await self.app.run_action(name)
                return


def fitting(usable: Sequence[Action], width: int) -> tuple[list[Action], str]:
    """Return the actions that fit into `width` cells, and the gap after each label.

    Help is always among them, at the end. Without the gap there may be space for more.
    """
    last = [action for action in usable if action.name == "help"]
    loose, tight = (_fitting(usable, last, width, gap) for gap in (" ", ""))
    return (loose, " ") if len(loose) >= min(FEWEST, len(tight)) else (tight, "")


def _fitting(usable: Sequence[Action], last: list[Action], width: int, gap: str) -> list[Action]:
    shown: list[Action] = []
    room = width - sum(cell_len(f" {action.shown} {action.label} ") for action in last)
    for action in usable:
        length = cell_len(f" {action.shown} {action.label}{gap}")
        if action not in last and length <= room:
            shown.append(action)
            room -= length
    return shown + last
