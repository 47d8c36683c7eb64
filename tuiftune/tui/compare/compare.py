"""The comparison of two or more runs: settings, scores, speed, memory and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.compare.side_by_side import SideBySide
from tuiftune.tui.keys.scopes import COMPARE
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiftune.runs.reports.compare import Comparison
    from tuiftune.runs.store.directory import RunDir


@dataclass
class Compared(Message):
    """The comparison, or why there is none."""

    comparison: Comparison | None
    fault: str = ""


class Compare(FullScreen[None]):
    """The same comparison as `tuiftune compare`, read once in a thread."""

    CSS_PATH = f"{STYLES}/charts.tcss"
    SCOPES = (COMPARE,)
    SCROLLS = "#compare"

    def __init__(self, runs: Sequence[RunDir]) -> None:
        super().__init__()
        self.runs = list(runs)

    def compose(self) -> ComposeResult:
        yield TitleBar(f"comparison of {len(self.runs)} runs")
        with VerticalScroll(id="compare"):
            yield SideBySide()
        yield KeyBar(COMPARE)

    def on_mount(self) -> None:
        self.query_one("#compare").focus()
        self.in_thread("compare", self._read)

    def _read(self) -> None:
        from tuiftune.runs.reports.compare import compare

        try:
            self.post_message(Compared(compare(self.runs)))
        except UserError as error:
            self.post_message(Compared(None, str(error)))

    @on(Compared)
    def _compared(self, message: Compared) -> None:
        from tuiftune.runs.reports.compare_table import rows, sentences

        table, found = self.query_one(SideBySide), message.comparison
        if found is None:
            table.tell(message.fault)
            return
        table.show([run.name for run in found.runs], rows(found), sentences(found))
        differing = len(found.settings)
        words = f"{differing} settings differ" if differing != 1 else "1 setting differs"
        self.query_one(TitleBar).say(right=f"{words} {self.app.glyphs.dot} {self.app.glyphs.best} best")

    def action_charts(self) -> None:
        self.app.open("charts", runs=self.runs)
