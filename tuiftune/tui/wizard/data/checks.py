"""The screen of all checks: the list, and for the selected one why it matters, its rows and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Container, VerticalScroll

from tuiftune.figures import plural
from tuiftune.tui import STYLES
from tuiftune.tui.keys.explanations import EXPLANATIONS
from tuiftune.tui.keys.scopes import CHECKS, TITLES
from tuiftune.tui.kit.explained import Explained
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.check_picker import CheckDetail, CheckPicker
from tuiftune.wizard.remedies import remedy_of, why_by_hand

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft


class Checks(FullScreen["Check | None"]):
    """The checks. Dismissed with the check whose fix to open, or None."""

    SCOPES = (CHECKS,)
    SCROLLS = "#one-check"
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, dataset: Dataset, checks: list[Check]) -> None:
        super().__init__()
        self._draft, self._dataset, self._checks = draft, dataset, checks

    def compose(self) -> ComposeResult:
        yield TitleBar("Checks")
        with Container(id="all-checks"):
            yield CheckPicker()
            with VerticalScroll(id="one-check", can_focus=False):
                yield CheckDetail()
                yield Explained(((TITLES[CHECKS], EXPLANATIONS[CHECKS]), ("Data", EXPLANATIONS["data"])))
        yield KeyBar(CHECKS)

    def on_mount(self) -> None:
        self.query_one(CheckPicker).show(self._checks)
        self._show()

    def take(self, checks: list[Check]) -> None:
        """Show the results so far, worst first; the selection is kept."""
        self._checks = checks
        if self.is_mounted:
            self.query_one(CheckPicker).show(checks)
            self._show()

    @property
    def marked(self) -> Check | None:
        return self.query_one(CheckPicker).current

    def help_topic(self) -> str:
        check = self.marked
        return f"{check.title}\n{check.why}\n{check.remedy}".strip() if check else ""

    @on(CheckPicker.Moved)
    def _show(self) -> None:
        found = sum(check.severity != "ok" for check in self._checks)
        in_order = len(self._checks) - found
        self.query_one(TitleBar).say(right=f"{plural(found, 'finding')}, {in_order} passed")
        check = self.marked
        if check is not None:
            remedy = remedy_of(check, self._draft.value("data.eval"))
            self.query_one(CheckDetail).show(check, remedy.says if remedy else why_by_hand(check))
            self.query_one("#one-check").scroll_home(animate=False)

    def action_move(self, by: int) -> None:
        self.query_one(CheckPicker).move(by)

    def action_rows(self) -> None:
        """Show the flagged rows, starting with the first."""
        from tuiftune.tui.wizard.data.flagged_rows import Rows

        check = self.marked
        if check is None or check.indices is None or not len(check.indices):
            self.notify("This check flags no rows.", timeout=3)
            return
        self.app.push_screen(Rows(self._draft, self._dataset, check), self._left_rows)

    def _left_rows(self, mend: bool | None) -> None:
        if mend:
            self.action_mend()

    def action_mend(self) -> None:
        """Open the fix of the selected check, or say why there is none."""
        check = self.marked
        if check is None:
            return
        if remedy_of(check, self._draft.value("data.eval")) is None:
            says = why_by_hand(check) or "This check passed; there is nothing to fix."
            self.notify(says, timeout=6, markup=False)
            return
        self.dismiss(check)
