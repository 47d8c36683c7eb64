"""The bottom line: the keys that work here, the most useful first, as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.tui.keys.actions import actions
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from textual.events import Click

    from tuiftune.tui.keys.table import Action


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
            if not action.bar:
                continue
            state = self.screen.check_action(action.name, ()) if action.scope != APP else True
            if state:
                found.append(action)
        return found

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        line = Line()
        self._places = []
        shown = self.usable()
        last = next((action for action in shown if action.name == "help"), None)
        reserve = cell_len(f" {last.shown} {last.label} ") if last else 0
        for action in shown:
            if action is last:
                continue
            length = cell_len(f" {action.shown} {action.label} ")
            if line.width + length > width - reserve:
                continue
            self._add(line, action)
        if last:
            line.to(width - reserve)
            self._add(line, last)
        return [line]

    def _add(self, line: Line, action: Action) -> None:
        start = line.width
        line.add(f" {action.shown} ", "key").add(f"{action.label} ", "soft")
        self._places.append((start, line.width, action.name))

    async def on_click(self, event: Click) -> None:
        for start, stop, name in self._places:
            if start <= event.x < stop:
                await self.screen.run_action(name) if hasattr(
                    self.screen, f"action_{name.partition('(')[0]}"
                ) else await self.app.run_action(name)
                return
