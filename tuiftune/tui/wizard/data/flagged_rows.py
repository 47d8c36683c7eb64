"""The screen of flagged rows, one at a time in full; other rows can be shown too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import ROWS
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.flagged_row_view import RowView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft


class Rows(FullScreen[bool]):
    """The screen. Dismissed with True to open the fix of the check."""

    SCOPES = (ROWS,)
    SCROLLS = "#row"
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, dataset: Dataset, check: Check) -> None:
        """Show the first row of `check`, which must have rows."""
        super().__init__()
        self._draft, self._dataset, self._check = draft, dataset, check
        self._flagged: list[int] = [] if check.indices is None else check.indices.tolist()
        self._at = self._flagged[0] if self._flagged else 0

    def compose(self) -> ComposeResult:
        yield TitleBar(self._check.title)
        with VerticalScroll(id="row"):
            yield RowView()
        yield KeyBar(ROWS)

    def on_mount(self) -> None:
        self._show()

    def help_topic(self) -> str:
        return f"{self._check.title}\n{self._check.why}\n{self._check.remedy}".strip()

    def _show(self) -> None:
        frame, check = self._dataset.frame, self._check
        twin = None
        if self._at in self._flagged:
            place = self._flagged.index(self._at)
            where = f"{place + 1:,} of {len(self._flagged):,} flagged"
            if check.partner is not None:
                twin = frame.row(int(check.partner[place]), named=True)
        else:
            where = "not flagged"
        self.query_one(TitleBar).say(right=f"{where} {self.app.glyphs.dot} {self._dataset.rows:,} rows")
        file = self._dataset.files[frame["file"][self._at]].name if len(self._dataset.files) > 1 else ""
        self.query_one(RowView).show(
            frame.row(self._at, named=True), twin, check.check, f"  {file}" if file else ""
        )
        self.query_one("#row").scroll_home(animate=False)

    def action_next(self, by: int) -> None:
        """Go to the next or the previous flagged row."""
        beyond = [index for index in self._flagged if (index > self._at if by > 0 else index < self._at)]
        if beyond:
            self._go(beyond[0] if by > 0 else beyond[-1])

    def action_move(self, by: int) -> None:
        """Go to the next or the previous row, flagged or not."""
        self._go(max(0, min(self._dataset.rows - 1, self._at + by)))

    def _go(self, to: int) -> None:
        if to != self._at:
            self._at = to
            self._show()

    def action_tokens(self) -> None:
        """Show the training tokens of this row, if it can be trained on."""
        from tuiftune.tui.wizard.data.tokens import TokenRows

        usable = self._dataset.usable
        if not usable[self._at]:
            self.notify("This row cannot be trained on, so it has no tokens.", severity="warning")
            return
        number = int(usable.head(self._at).sum()) + 1
        self.app.push_screen(TokenRows(self._draft, int(usable.sum()), number))

    def action_mend(self) -> None:
        self.dismiss(True)

    def action_close(self) -> None:
        self.dismiss(False)
