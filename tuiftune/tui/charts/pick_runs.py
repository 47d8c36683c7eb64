"""The dialog to choose runs that are shown in the same charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tuiftune.figures import ago, real
from tuiftune.printable import printable
from tuiftune.tui.keys.scopes import DIALOG, LIST, PICK
from tuiftune.tui.kit.dialogs import ListDialog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiftune.runs.state.summary import Summary
    from tuiftune.runs.store.directory import RunDir


class PickRuns(ListDialog["list[RunDir] | None"]):
    """The dialog. Dismissed with the selected runs, without `about`; None for no change."""

    SCOPES = (DIALOG, PICK, LIST)

    def __init__(self, about: RunDir, marked: Sequence[RunDir], most: int) -> None:
        super().__init__()
        self._about, self._most = about, most
        self._marked = {run.path for run in marked}
        self._touched = bool(marked)
        self._rows: list[Summary] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="picker") as box:
            box.border_title = Content(f"Show with {printable(self._about.name)}")
            box.border_subtitle = "Space: select, Enter: show, Esc: cancel"
            yield OptionList(id="picked")
            yield Static("reading the runs …", id="no-runs")

    def on_mount(self) -> None:
        self.in_thread("list", self._read)

    def _read(self) -> None:
        from tuiftune.runs.state.summary import summarize
        from tuiftune.runs.store.find import all_runs

        rows = [summarize(run) for run in all_runs(self.app.runs_root) if run.path != self._about.path]
        self.app.call_from_thread(self._list, rows)

    def _list(self, rows: list[Summary]) -> None:
        if not self.is_mounted:
            return
        self._rows = rows
        known = {row.run.path for row in rows}
        self._marked &= known
        told, listed = self.query_one("#no-runs", Static), self.query_one(OptionList)
        told.display = not rows
        told.update("No other runs on this machine yet.")
        listed.display = bool(rows)
        listed.add_options([Option(self._line(row)) for row in rows])
        if rows:
            listed.highlighted = 0
            listed.focus()

    def _line(self, row: Summary) -> Content:
        sign = f"[{self.app.glyphs.done}]" if row.run.path in self._marked else "[ ]"
        loss = real(row.loss_after if row.loss_after is not None else row.loss)
        facts = f"  {row.technique}  loss {loss}  {row.status}  {ago(row.idle)}"
        return Content.assemble(
            (f"{sign} ", "$accent"), (printable(row.name), "bold"), (facts, "$foreground 65%")
        )

    def action_mark(self) -> None:
        listed = self.query_one(OptionList)
        at = listed.highlighted
        if at is None:
            return
        path = self._rows[at].run.path
        if path not in self._marked and len(self._marked) >= self._most:
            self.notify(f"A chart shows at most {self._most + 1} runs.", severity="warning", timeout=3)
            return
        self._touched = True
        self._marked ^= {path}
        listed.replace_option_prompt_at_index(at, self._line(self._rows[at]))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the selected runs; the one under the cursor if none was ever selected."""
        if not self._touched:
            self._marked = {self._rows[event.option_index].run.path}
        self.dismiss([row.run for row in self._rows if row.run.path in self._marked])
