"""The dialog to choose the training data, if the directory does not have exactly one data file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.tui.keys.scopes import DIALOG, LIST
from tuiftune.tui.kit.dialogs import ListDialog, described
from tuiftune.wizard.proposals import data_offers

if TYPE_CHECKING:
    from textual.app import ComposeResult


class DataChoice(ListDialog[str | None]):
    """Dismissed with the text for the file field ("" to type another), or None."""

    SCOPES = (DIALOG, LIST)

    def compose(self) -> ComposeResult:
        self._offers = data_offers()
        with Vertical(id="picker") as box:
            box.border_title = "Which data should the model be trained on?"
            box.border_subtitle = "Enter: use, Esc: cancel"
            yield OptionList(*[Option(described(self.app, one.name, one.says)) for one in self._offers])

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._offers[event.option_index].text)
