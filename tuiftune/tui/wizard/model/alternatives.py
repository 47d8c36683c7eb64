"""Other ways to run the same preset, with what each costs or wins; choosing one takes it over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.figures import size
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import ALTERNATIVES, LIST
from tuiftune.tui.kit.dialogs import described
from tuiftune.tui.kit.glyphs import UNICODE
from tuiftune.tui.textual_patches.single_paint import SinglePaintModal
from tuiftune.wizard.settings import written

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.plan.model import Plan


class Alternatives(SinglePaintModal[int | None]):
    """Dismissed with the place of the alternative in the plan, or None."""

    SCOPES = (ALTERNATIVES, LIST)
    BINDINGS: ClassVar[list[BindingType]] = bindings(ALTERNATIVES, LIST)

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

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_cancel(self) -> None:
        self.dismiss(None)
