"""Help for the screen below: an explanation, and all its keys from the key table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.containers import VerticalScroll

from tuiftune.tui.keys.actions import actions
from tuiftune.tui.keys.explanations import EXPLANATIONS
from tuiftune.tui.keys.scopes import APP, HELP, READING, TITLES
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.tui.keys.table import Action

KEY, SAYS = 9, 20  # columns; a longer label moves the descriptions of its help to the right


class HelpLines(Canvas):
    """Explanations, then one line per key; long descriptions are wrapped within their column."""

    def __init__(self, sections: list[tuple[str, str]], keys: list[tuple[str, list[Action]]]) -> None:
        super().__init__()
        self._sections, self._keys = sections, keys

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for title, words in self._sections:
            lines += [Line(title, "title")] if title else []
            lines += [*(Line(part) for part in wrapped(words, width)), Line()]
        longest = max((cell_len(action.label) for _, listed in self._keys for action in listed), default=0)
        says = max(SAYS, KEY + longest + 1)
        for title, listed in self._keys:
            lines.append(Line(f"Keys {self.glyphs.rule} {title}", "title"))
            for action in listed:
                for row, part in enumerate(wrapped(action.says, width - says)):
                    line = Line()
                    if not row:
                        line.add(f"  {action.shown}", "accent").to(KEY).add(action.label, "strong")
                    lines.append(line.to(says).add(part))
            lines.append(Line())
        return lines[:-1]


class Help(Dialog[None]):
    """The help dialog. `topic` is explained first, such as the question that is being asked."""

    SCOPES = (HELP, READING)
    SCROLLS = "#help"

    def __init__(self, scopes: tuple[str, ...], topic: str = "") -> None:
        super().__init__()
        self._scopes = scopes
        self._topic = topic

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as scroll:
            scroll.border_title = "Help"
            scroll.border_subtitle = "Esc: close"
            yield HelpLines(self.sections(), self.keys())

    def text(self) -> str:
        """Return the whole help, one line per paragraph or key."""
        told = [part for title, words in self.sections() for part in (title, words) if part]
        rows = [
            f"{action.shown} {action.label} {action.says}" for _, listed in self.keys() for action in listed
        ]
        return "\n".join([*told, *rows])

    def sections(self) -> list[tuple[str, str]]:
        """Return titles with explanations: the topic, then each scope."""
        told = [("", self._topic)] if self._topic else []
        return told + [
            (TITLES.get(scope, scope), EXPLANATIONS[scope])
            for scope in reversed(self._scopes)
            if scope in EXPLANATIONS
        ]

    def keys(self) -> list[tuple[str, list[Action]]]:
        """Return the keys by scope, those of the screen first."""
        found = []
        for scope in (*reversed(self._scopes), APP):
            listed = [action for action in actions(scope) if action.label]
            if listed:
                found.append((TITLES.get(scope, scope), listed))
        return found
