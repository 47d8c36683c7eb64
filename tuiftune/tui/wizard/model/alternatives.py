"""Other ways to run the same preset, with what each costs or wins; choosing one takes it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.figures import size
from tuiftune.tui.keys.scopes import ALTERNATIVES, LIST
from tuiftune.tui.kit.dialogs import ListDialog, described
from tuiftune.tui.kit.glyphs import UNICODE
from tuiftune.wizard.settings import written

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.plan.model import Plan


class Alternatives(ListDialog[int | None]):
    """Dismissed with the place of the alternative in the plan, or None."""

    SCOPES = (ALTERNATIVES, LIST)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        glyphs = getattr(self.app, "glyphs", UNICODE)
        with Vertical(id="picker") as box:
            box.border_title = "Other ways to run it"
            box.border_subtitle = "Enter takes it, Esc closes"
            options = []
            for index, other in enumerate(self._plan.alternatives):
                sign = glyphs.ok if other.fits else glyphs.error
                changes = ", ".join(f"{key} = {written(value)}" for key, value in other.changes.items())
                words = f"{changes}; needs {size(other.needs)}"
                told = described(self.app, other.says, words, sign=sign, good=other.fits)
                options.append(Option(told, id=str(index)))
            yield OptionList(*options)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or 0))
