"""What a finished run changed: scores before and after, and answers side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.containers import VerticalScroll

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.dashboard.result_answers import Answers
from tuiftune.tui.dashboard.result_scores import Changes
from tuiftune.tui.keys.scopes import RESULT
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.runs.store.directory import RunDir


class ResultScreen(FullScreen[None]):
    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (RESULT,)
    SCROLLS = "#result"

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run

    def compose(self) -> ComposeResult:
        result: dict[str, Any] = {}
        fault = ""
        try:
            result = self.run.result() or {}
        except UserError as error:
            fault = str(error)
        if not result and not fault:
            fault = "This run has no result yet: it is written when the last step is done."
        yield TitleBar(f"{self.run.name}: what the training changed")
        with VerticalScroll(id="result"):
            yield Changes(result, fault)
            yield Answers(result.get("samples") or [])
        yield KeyBar(RESULT)

    def on_mount(self) -> None:
        self.query_one("#result").focus()

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)
