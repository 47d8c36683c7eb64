"""One line of text in the middle of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.widgets import Input, Static

from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import DIALOG
from tuiftune.tui.kit.paths import PathSuggester
from tuiftune.tui.textual_patches.whole import WholeModal

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Ask(WholeModal[str | None]):
    """Dismissed with the text, or None."""

    SCOPES = (DIALOG,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(DIALOG)

    def __init__(
        self, question: str, value: str, hint: str, *, paths: bool = False, files: bool = False
    ) -> None:
        """`paths`: folders are completed as they are typed; `files`: files too."""
        super().__init__()
        self._question, self._value, self._hint = question, value, hint
        self._suggests = PathSuggester(files=files) if paths or files else None

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._question, id="dialog-question", markup=False)
            yield Static(self._hint, id="dialog-detail", markup=False)
            yield Input(self._value, suggester=self._suggests)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        self.dismiss(None)
