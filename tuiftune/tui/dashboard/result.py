"""What a finished run changed: scores before and after, and answers side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import VerticalScroll

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.dashboard.result_answers import Answers
from tuiftune.tui.dashboard.result_scores import Changes
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.key_bar import KeyBar
from tuiftune.tui.keys.scopes import RESULT
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.textual_patches.single_paint import SinglePaintScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp


class ResultScreen(SinglePaintScreen[None]):
    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (RESULT,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(RESULT)
    app: TuneApp

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

    def action_scroll(self, by: int) -> None:
        self.query_one("#result").scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        self.app.pop_screen()

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)
