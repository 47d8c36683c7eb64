"""Dialogs: a yes or no question, a line of text, options with a description."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.color import Color
from textual.containers import Horizontal, Vertical
from textual.screen import ScreenResultType
from textual.widgets import Button, DirectoryTree, Input, OptionList, Static

from tuiftune.printable import printable
from tuiftune.tui.keys.scopes import CONFIRM, DIALOG
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.path_completion import PathSuggester
from tuiftune.tui.kit.screens import Dialog

if TYPE_CHECKING:
    from typing import Any

    from textual.app import App, ComposeResult


class Confirm(Dialog[bool]):
    """A yes or no question. Dismissed with True for the action, else False."""

    SCOPES = (CONFIRM,)

    def __init__(
        self, question: str, detail: str, yes: str, no: str = "Cancel", *, harmful: bool = False
    ) -> None:
        super().__init__()
        self._question, self._detail = printable(question), printable(detail, lines=True)
        self._yes, self._no, self._harmful = yes, no, harmful

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._question, id="dialog-question", markup=False)
            yield Static(self._detail, id="dialog-detail", markup=False)
            with Horizontal(id="answers"):
                yield Button(self._no, id="no", compact=True)
                yield Button(
                    self._yes, id="yes", variant="error" if self._harmful else "primary", compact=True
                )

    def on_mount(self) -> None:
        self.query_one("#no" if self._harmful else "#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_other(self) -> None:
        """Select the other answer."""
        self.focus_next()

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)


class ListDialog(Dialog[ScreenResultType]):
    """A dialog with a list of answers."""

    LIST: ClassVar[type[OptionList | DirectoryTree]] = OptionList

    def action_down(self) -> None:
        self.query_one(self.LIST).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(self.LIST).action_cursor_up()


class Ask(Dialog[str | None]):
    """A line of text. Dismissed with the text, or None."""

    SCOPES = (DIALOG,)

    def __init__(
        self, question: str, value: str, hint: str, *, paths: bool = False, files: bool = False
    ) -> None:
        """`paths`: complete directories while typing; `files`: files too."""
        super().__init__()
        self._question, self._value, self._hint = question, value, hint
        self._suggests = PathSuggester(files=files) if paths or files else None

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as box:
            box.border_subtitle = "Enter: accept, Esc: cancel"
            yield Static(self._question, id="dialog-question", markup=False)
            yield Static(self._hint, id="dialog-detail", markup=False)
            yield Field(self._value, suggester=self._suggests)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


def described(
    app: App[Any], name: str, says: str, *, sign: str = "", good: bool = True, mark: str = ""
) -> Group:
    """Return an option with a description; `sign` goes before the name, in green or red, `mark` after it."""
    words = Text(printable(name), "bold")
    if mark:
        words.append(f"  {mark}", _colored(app, "success"))
    head = Table.grid(padding=(0, 1, 0, 0))
    if sign:
        head.add_row(Text(sign, _colored(app, "success" if good else "error")), words)
    else:
        head.add_row(words)
    return Group(head, Padding(Text(printable(says), "dim"), (0, 1, 0, 2)))


def _colored(app: App[Any], variable: str) -> Style:
    return Style(color=Color.parse(app.theme_variables[variable]).rich_color)
