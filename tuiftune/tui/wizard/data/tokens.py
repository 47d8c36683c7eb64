"""The screen of training tokens: tokens, loss mask and truncation by the engine, row by row.

The engine is asked for several rows at once, in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import TOKENS
from tuiftune.tui.kit.downloading import Downloading
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.token_view import TokenView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.wizard.draft import Draft

AT_ONCE = 16  # rows per call: importing the engine's libraries takes longer than tokenizing them


@dataclass
class Seen(Message):
    """Documents by row number, or why there are none."""

    rows: dict[int, dict[str, Any]]
    error: str = ""


class TokenRows(FullScreen[None]):
    SCOPES = (TOKENS,)
    SCROLLS = "#token-rows"
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, rows: int, row: int = 1) -> None:
        """`rows` is the number of usable rows; `row` is the one to start with, counted from 1."""
        super().__init__()
        self._draft, self._model = draft, draft.model or "builtin:tiny"
        self._most = rows
        self._at = max(1, min(row, rows))
        self._known: dict[int, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        yield TitleBar("Training tokens")
        with VerticalScroll(id="token-rows"):
            yield TokenView()
        yield KeyBar(TOKENS)

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        known = self._known.get(self._at)
        name = self._model.rstrip("/").rsplit("/", 1)[-1]
        self.query_one(TitleBar).say(right=f"row {self._at:,} of {self._most:,} {self.app.glyphs.dot} {name}")
        if known is not None:
            self.query_one(TokenView).show(known)
            self.query_one("#token-rows").scroll_home(animate=False)
            return
        if self._most == 0:
            self.query_one(TokenView).instead("No row can be trained on.", "error")
            return
        self.query_one(TokenView).instead(
            f"{self.app.glyphs.waiting} tokenizing (takes some seconds, to load the libraries) …"
        )
        self.in_thread("tokens", self._ask, self._at, exclusive=True)

    def _ask(self, row: int) -> None:
        from tuiftune.data.tokens import has_tokenizer
        from tuiftune.wizard.token_rows import token_rows

        worker = get_current_worker()
        first = (row - 1) // AT_ONCE * AT_ONCE + 1
        wanted = list(range(first, min(self._most, first + AT_ONCE - 1) + 1))
        try:
            draft = self._draft.with_(model=self._model)
            self.app.findings.bring_tokenizer(draft, lambda words: None)
            if not has_tokenizer(self.app.findings.model_of(draft).path):
                raise UserError(
                    "this model's tokenizer is not on this machine",
                    place=self._model,
                    remedy="choose a model whose tokenizer is here (builtin:tiny, or a directory)",
                )
            found = token_rows(self._draft, self._model, wanted, lambda: worker.is_cancelled)
        except UserError as error:
            self.post_message(Seen({}, str(error)))
        else:
            if not worker.is_cancelled:
                self.post_message(Seen(dict(zip(wanted, found, strict=True))))

    @on(Downloading)
    def _downloading(self, message: Downloading) -> None:
        self.query_one(TokenView).instead(f"{self.app.glyphs.waiting} {message.says}")

    @on(Seen)
    def _seen(self, message: Seen) -> None:
        self._known.update(message.rows)
        if message.error:
            self.query_one(TokenView).instead(f"{self.app.glyphs.error} {message.error}", "error")
        elif self._at in self._known:
            self._show()

    def action_move(self, by: int) -> None:
        """Go to a later or an earlier row."""
        to = max(1, min(self._most, self._at + by))
        if to != self._at:
            self._at = to
            self._show()

    def action_go_to(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask

        hint = f"1 to {self._most:,}, counted among the usable rows."
        self.app.push_screen(Ask("Which row?", "", hint), self._went)

    def _went(self, text: str | None) -> None:
        if text and text.replace(",", "").isdecimal():
            self.action_move(int(text.replace(",", "")) - self._at)
