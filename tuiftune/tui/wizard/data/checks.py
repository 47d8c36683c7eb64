"""All checks of a dataset: the list, and of the marked one why it matters, its rows and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Container, VerticalScroll

from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import CHECKS
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.check_picker import CheckDetail, CheckPicker
from tuiftune.wizard.remedies import remedy_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft


class Checks(FullScreen["Check | None"]):
    """Dismissed with the check whose remedy is asked for, or None."""

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
        yield KeyBar(CHECKS)

    def on_mount(self) -> None:
        self.query_one(CheckPicker).show(self._checks)
        self._show()

    def take(self, checks: list[Check]) -> None:
        """The results so far, worst first; what is marked stays marked."""
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
        self.query_one(TitleBar).say(right=f"{found} to look at, {in_order} in order")
        check = self.marked
        if check is not None:
            remedy = remedy_of(check, self._draft.value("data.eval"))
            self.query_one(CheckDetail).show(check, remedy.says if remedy else "")
            self.query_one("#one-check").scroll_home(animate=False)

    def action_move(self, by: int) -> None:
        self.query_one(CheckPicker).move(by)

    def action_rows(self) -> None:
        """The flagged rows, from the first one on."""
        from tuiftune.tui.wizard.data.flagged_rows import Rows

        check = self.marked
        if check is None or check.indices is None or not len(check.indices):
            self.notify("It flags no rows.", timeout=3)
            return
        self.app.push_screen(Rows(self._draft, self._dataset, check), self._left_rows)

    def _left_rows(self, mend: bool | None) -> None:
        if mend:
            self.action_mend()

    def action_mend(self) -> None:
        """What helps against the marked check, as far as a key can do it."""
        check = self.marked
        if check is None or remedy_of(check, self._draft.value("data.eval")) is None:
            self.notify("There is no key for that: see what it says under do.", timeout=4)
            return
        self.dismiss(check)
