"""The bottom line: the keys that work here, the most useful first, as many as fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.tui.keys.actions import actions, works_on
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click
    from textual.widget import Widget

    from tuiftune.tui.keys.table import Action

FEWEST = 8  # keys that are shown if there are that many
IN_FIELD = ("left", "right", "home", "end", "delete", "backspace")  # what a text field does itself
ARROWS = {"down": "↓ ↑"}  # instead of j and k, which a text field writes


class KeyBar(Canvas):
    """The keys of the screen's scopes, from the key table. Help is always at the right edge."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self._scopes = scopes
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.watch(self.screen, "focused", self.redraw, init=False)

    def usable(self) -> list[Action]:
        """Return the actions that a key reaches now, in order of the bar, each with such a key."""
        found = []
        for action in sorted(actions(*self._scopes, APP), key=lambda item: item.bar):
            if not action.bar or action.name in getattr(self.screen, "not_in_bar", ()):
                continue
            if works_on(self.screen, action) and (shown := reached(action, self.screen.focused)):
                found.append(replace(action, shown=shown))
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


def reached(action: Action, focused: Widget | None) -> str:
    """Return the keys of an action as the bar shows them; "" if the focused text field takes them all."""
    if focused is None or not _takes(focused, "a"):
        return action.shown
    if action.name == "help":
        return "F1" if _takes(focused, "question_mark") else action.shown
    keys = action.keys.split(",")
    free = [key for key in keys if not _takes(focused, key)]
    letters = all(len(word) == 1 and word.isascii() for word in action.shown.split())
    return action.shown if free == keys or (free and not letters) else ARROWS.get("".join(free[:1]), "")


def _takes(focused: Widget, key: str) -> bool:
    """Whether the focused widget writes this key, or moves its cursor by it."""
    from textual.keys import key_to_character

    return focused.check_consume_key(key, key_to_character(key)) or (
        key in IN_FIELD and focused.check_consume_key("a", "a")
    )


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
