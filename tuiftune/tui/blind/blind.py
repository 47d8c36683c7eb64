"""Blind review in the app: two answers side by side, voted on by keys, kept one by one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.errors import UserError
from tuiftune.evaluate import reviewing
from tuiftune.evaluate.reviewing import OVERALL, Vote
from tuiftune.runs.store import reviews
from tuiftune.tui import STYLES
from tuiftune.tui.blind.two_answers import ASKED, Shown, TwoAnswers
from tuiftune.tui.keys.scopes import BLIND
from tuiftune.tui.kit.dialogs import Ask
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.evaluate.reviewing import Item
    from tuiftune.runs.store.directory import RunDir


class Blind(FullScreen[None]):
    """The same review as `tuiftune review`, by the same votes: either goes on where the other stopped."""

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (BLIND,)
    SCROLLS = "#result"

    def __init__(self, run: RunDir, reviewer: str | None = None) -> None:
        super().__init__()
        self.run, self._reviewer = run, reviewer
        self._shown = Shown()
        self._open: list[Item] = []

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self.run.name}: blind review")
        with VerticalScroll(id="result"):
            yield TwoAnswers(self._shown)
        yield KeyBar(BLIND)

    def on_mount(self) -> None:
        self.query_one("#result").focus()
        if self._reviewer is not None:
            self._begin(self._reviewer)
            return
        name = os.environ.get("USER") or "reviewer"
        hint = "Each reviewer sees the rows in another order. Votes are kept under this name."
        self.app.push_screen(Ask("Who votes?", name, hint), self._named)

    def _named(self, name: str | None) -> None:
        if name:
            self._begin(name)
        else:
            self.dismiss(None)

    def _begin(self, name: str) -> None:
        self._reviewer = name
        try:
            every = reviewing.items(reviews.answers(self.run), name)
            done = {one.row for one in reviews.votes(self.run) if one.reviewer == name}
        except UserError as fault:
            self._shown.fault = str(fault)
        else:
            self._open = [item for item in every if item.row not in done]
            self._shown.rows, self._shown.number = len(every), len(every) - len(self._open)
        self._next()

    def _next(self) -> None:
        """Show the next row that this reviewer has not voted on; after the last, what all votes say."""
        shown = self._shown
        shown.item, shown.choices, shown.note = None, {}, ""
        if self._open:
            shown.item = self._open.pop(0)
            shown.number += 1
        elif not shown.fault:
            try:
                shown.summary = reviewing.sentences(reviewing.summed(reviews.votes(self.run)))
            except UserError as fault:
                shown.fault = str(fault)
        self._draw()
        self.query_one("#result").scroll_home(animate=False)

    def _draw(self) -> None:
        self.query_one(TwoAnswers).refresh(layout=True)
        self.query_one(KeyBar).redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("vote", "undo", "note", "keep"):
            return self._shown.item is not None
        return super().check_action(action, parameters)

    def action_vote(self, choice: str) -> None:
        """Answer the open question."""
        if self._shown.open is not None:
            self._shown.choices[self._shown.open] = choice
            self._draw()

    def action_undo(self) -> None:
        """Open the last question again."""
        given = [name for name in ASKED if name in self._shown.choices]
        if given:
            del self._shown.choices[given[-1]]
            self._draw()

    def action_note(self) -> None:
        self.app.push_screen(Ask("Note", self._shown.note, "Kept with the vote."), self._noted)

    def _noted(self, note: str | None) -> None:
        if note is not None:
            self._shown.note = note
            self._draw()

    def action_keep(self) -> None:
        """Keep the vote; criteria that were not answered are left out."""
        shown, item = self._shown, self._shown.item
        if item is None or self._reviewer is None:
            return
        if OVERALL not in shown.choices:
            self.notify("Say first which answer is better: 1, 2, or 0 for equal.", severity="warning")
            return
        sides = {name: item.side(choice) for name, choice in shown.choices.items()}
        try:
            reviews.add(self.run, Vote(self._reviewer, item.row, sides, shown.note))
        except UserError as fault:
            shown.fault = str(fault)
            self._draw()
            return
        shown.fault = ""
        self._next()

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)
