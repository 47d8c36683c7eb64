"""Help for the screen beneath: what it is for in depth, and every key from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuiftune.tui.explain import EXPLANATIONS
from tuiftune.tui.keys import actions, bindings
from tuiftune.tui.scopes import APP, HELP, READING, TITLES
from tuiftune.tui.whole import WholeModal

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Help(WholeModal[None]):
    """`topic` is more to explain first, such as the question that is being asked."""

    SCOPES = (HELP, READING)
    BINDINGS: ClassVar[list[BindingType]] = bindings(HELP, READING)

    def __init__(self, scopes: tuple[str, ...], topic: str = "") -> None:
        super().__init__()
        self._scopes = scopes
        self._topic = topic

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as scroll:
            scroll.border_title = "Help"
            scroll.border_subtitle = "Esc closes"
            yield Static(self.text())

    def text(self) -> Content:
        """Topic, explanations of the scopes, then the keys, grouped by scope."""
        parts: list[Content] = []
        if self._topic:
            parts += [Content(self._topic), Content("\n\n")]
        for scope in reversed(self._scopes):
            if scope in EXPLANATIONS:
                parts += [
                    Content.styled(TITLES.get(scope, scope), "bold"),
                    Content(f"\n{EXPLANATIONS[scope]}\n\n"),
                ]
        for scope in (*reversed(self._scopes), APP):
            rows = [action for action in actions(scope) if action.label]
            if not rows:
                continue
            parts.append(Content.styled(f"Keys — {TITLES.get(scope, scope)}\n", "bold"))
            for action in rows:
                parts += [
                    Content.styled(f"  {action.shown:<7}", "$accent"),
                    Content.styled(f"{action.label:<10}", "bold"),
                    Content(f"{action.says}\n"),
                ]
            parts.append(Content("\n"))
        return Content("").join(parts)

    def action_scroll(self, by: int) -> None:
        self.query_one("#help").scroll_relative(y=by, animate=False)

    def action_cancel(self) -> None:
        self.dismiss(None)
