"""The list of built-in presets with their purpose; choosing one opens the wizard with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.tui.keys.scopes import DIALOG, LIST
from tuiftune.tui.kit.dialogs import ListDialog, described

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Presets(ListDialog[str | None]):
    """Dismissed with the name of the preset, or None."""

    SCOPES = (DIALOG, LIST)

    def compose(self) -> ComposeResult:
        from tuiftune.preset import shipped

        with Vertical(id="picker") as box:
            box.border_title = "Start from a built-in preset"
            box.border_subtitle = "Enter: use, Esc: cancel"
            options = []
            for name in shipped.names():
                about = shipped.about(shipped.find(name))
                options.append(Option(described(self.app, name, about), id=name))
            yield OptionList(*options)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
