"""The recommendation and the next steps: a prompt, retrieval, training. The recommended one is first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.advice.recommendation import ways
from tuiftune.tui.keys.scopes import LIST, WAYS
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.dialogs import ListDialog, described
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.wizard.goal.verdict_view import VerdictView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.advice.approach import Verdict


class Head(VerdictView):
    """The recommendation: its summary, its bars, and a note."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(full=True)
        self._verdict = verdict

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        verdict = self._verdict
        assert verdict is not None
        lines = [*self.head(verdict, width), *(Line(part) for part in wrapped(verdict.summary, width))]
        for dispute in verdict.disagreements:
            if dispute.matters:
                says = f"Sources disagree on {dispute.topic}: press v to compare them."
                lines += [Line(part, "warning") for part in wrapped(says, width, 2)]
        for note in verdict.notes[:1]:
            lines += [Line(part, "soft") for part in wrapped(note, width, 2)]
        return [*lines, Line()]


class Ways(ListDialog[str | None]):
    """The list of next steps. Dismissed with `prompt`, `rag` or `fine-tune`, or None."""

    SCOPES = (WAYS, LIST)

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict

    def compose(self) -> ComposeResult:
        with Vertical(id="picker") as box:
            box.border_title = "Next step"
            box.border_subtitle = "Enter: start, Esc: back to the questions"
            yield Head(self._verdict)
            options = [
                Option(
                    described(self.app, way.title, way.says, mark="" if index else "recommended"), id=way.key
                )
                for index, way in enumerate(ways(self._verdict.approach))
            ]
            yield OptionList(*options)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
