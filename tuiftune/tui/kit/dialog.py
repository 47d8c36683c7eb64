"""A question in the middle of the screen: what will happen, and two answers. The careful one has the
focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tuiftune.printable import printable
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import CONFIRM
from tuiftune.tui.textual_patches.whole import WholeModal

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Confirm(WholeModal[bool]):
    """Dismissed with True for the action, False for keeping things as they are. `y` and `n` answer too."""

    SCOPES = (CONFIRM,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(CONFIRM)

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
        """To the other of the two answers."""
        self.focus_next()

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)
