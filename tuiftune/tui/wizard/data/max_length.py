"""The max length slider with its effects: truncated rows, lost answer tokens, memory, time and cost.

Lengths are counted once. Lost tokens and the plan are computed in threads, for the value where the slider
rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import CUT
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.max_length_view import CutView

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.tokens import Lengths, Truncation
    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft

REST_SECONDS = 0.2
EXACT_ROWS = 200  # truncated rows that are counted token by token for one value of the slider
DEFAULT = 2048  # the preset's own
GRID = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768)


@dataclass
class Counted(Message):
    """Lengths of the rows with the model's tokenizer, or why there are none."""

    draft: Draft
    found: Lengths | None
    context: int
    error: str = ""


@dataclass
class Lost(Message):
    truncation: Truncation


@dataclass
class Planned(Message):
    max_length: int
    plan: Plan | None
    error: str = ""


def places(longest: int, context: int, now: int) -> list[int]:
    """Return the values of the slider: round lengths, the longest row, and the present value.

    They are at most the model's context length. Values above the longest row change nothing, so only the
    present value is among them.
    """
    top = min(longest, context)
    found = {place for place in GRID if place < top} | {top}
    if now <= context:
        found.add(now)
    return sorted(found)


class MaxLengthScreen(FullScreen[int | None]):
    """The screen. Dismissed with the chosen max_length, or None."""

    SCOPES = (CUT,)
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, dataset: Dataset) -> None:
        super().__init__()
        self._draft, self._dataset = draft, dataset
        self._found: Lengths | None = None
        self._places: list[int] = []
        self._at = int(draft.value("data.max_length") or DEFAULT)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar("Max length: tokens per row")
        yield CutView()
        yield KeyBar(CUT)

    def on_mount(self) -> None:
        self.in_thread("lengths", self._count)

    @property
    def chosen(self) -> int:
        """The value of the slider, in tokens."""
        return self._at

    def _count(self) -> None:
        from tuiftune.data.tokens import lengths
        from tuiftune.wizard.model_rows import rows_of

        findings, draft = self.app.findings, self._draft
        try:
            if not draft.model:
                draft = draft.with_(model=rows_of(findings, draft)[0].reference)
            model = findings.model_of(draft)
            folder = Path(model.path) if model.path is not None else None
            found = lengths(self._dataset, folder, name=model.reference)
        except UserError as error:
            self.post_message(Counted(draft, None, 0, str(error)))
        else:
            context = model.architecture.max_length
            self.post_message(Counted(draft, found, context))

    @on(Counted)
    def _counted(self, message: Counted) -> None:
        view = self.query_one(CutView)
        if message.found is None or not len(message.found.total):
            view.fail(message.error or "no row can be trained on")
            return
        self._draft, self._found = message.draft, message.found
        self.query_one(TitleBar).say(right=message.draft.model.rstrip("/").rsplit("/", 1)[-1])
        self._places = places(int(message.found.total.max()), message.context, self._at)
        if self._at not in self._places:
            self._at = self._places[-1]
        usable = int(self._dataset.usable.sum())
        view.begin(message.found, usable, self._places)
        self._moved()

    def _moved(self) -> None:
        self.query_one(CutView).move(self._at)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(REST_SECONDS, self._work_out)

    def _work_out(self) -> None:
        for group, work in (("lost", self._lose), ("plan", self._plan)):
            self.in_thread(group, work, self._at, exclusive=True)

    def _lose(self, max_length: int) -> None:
        from tuiftune.data.tokens import truncation

        worker = get_current_worker()
        model = self.app.findings.model_of(self._draft)
        folder = Path(model.path) if model.path is not None else None
        if self._found is not None and not worker.is_cancelled:
            lost = truncation(self._dataset, self._found, max_length, folder, exact_rows=EXACT_ROWS)
            self.post_message(Lost(lost))

    def _plan(self, max_length: int) -> None:
        from tuiftune.wizard.planning import advised

        worker = get_current_worker()
        findings = self.app.findings
        draft = self._draft.override("data.max_length", max_length)
        try:
            advice = advised(findings, draft)
            if worker.is_cancelled:
                return
            plan = findings.plan(advice.apply(draft))
        except UserError as error:
            self.post_message(Planned(max_length, None, str(error)))
        else:
            self.post_message(Planned(max_length, plan))

    @on(Lost)
    def _lost(self, message: Lost) -> None:
        self.query_one(CutView).lost(message.truncation)

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        self.query_one(CutView).planned(message.max_length, message.plan, message.error)

    def action_move(self, by: int) -> None:
        """Move the slider to the next or previous value."""
        if self._places:
            at = self._places.index(self._at)
            self._go(self._places[max(0, min(len(self._places) - 1, at + by))])

    def action_end(self, by: int) -> None:
        """Move the slider to one end."""
        if self._places:
            self._go(self._places[0 if by < 0 else -1])

    def _go(self, to: int) -> None:
        if to != self._at:
            self._at = to
            self._moved()

    def action_take(self) -> None:
        """Use the value."""
        if self._places:
            self.dismiss(self._at)
