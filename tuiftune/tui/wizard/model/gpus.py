"""The dialog to plan for another GPU: predicted fit, time and cost of the draft on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import GPUS
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.wizard.model.gpu_list import GpuList
from tuiftune.wizard.gpu_rows import NUMBERS, rows_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.gpu_rows import GpuRow

AT_ONCE = 8


@dataclass
class Looked(Message):
    """Some rows of the table for `number` GPUs, or why there is none."""

    number: int
    rows: list[GpuRow]
    fault: str = ""


class Gpus(Dialog[str | None]):
    """The dialog. Dismissed with the GPU in the form of `--gpu`, "" for this machine, or None."""

    CSS_PATH = f"{STYLES}/wizard.tcss"
    SCOPES = (GPUS,)

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        name, colon, number = draft.gpu.rpartition(":")
        self._number = int(number) if colon and int(number) in NUMBERS else 1
        self._name: str = name if colon else draft.gpu

    def compose(self) -> ComposeResult:
        with Vertical(id="whole") as box:
            box.border_title = "Plan for another GPU"
            yield GpuList()
            yield KeyBar(GPUS)

    def on_mount(self) -> None:
        self.query_one(GpuList).focus()
        self._look()

    def _look(self) -> None:
        self.query_one(GpuList).begin(self._name)
        self.in_thread("cards", self._plan_all, self._number, exclusive=True)

    def _plan_all(self, number: int) -> None:
        worker = get_current_worker()
        rows: list[GpuRow] = []
        try:
            for row in rows_of(self.app.findings, self._draft, number):
                if worker.is_cancelled:
                    return
                rows.append(row)
                if len(rows) == AT_ONCE:
                    self.post_message(Looked(number, rows))
                    rows = []
        except UserError as error:
            self.post_message(Looked(number, rows, str(error)))
        else:
            self.post_message(Looked(number, rows))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        if message.number == self._number:
            self.query_one(GpuList).add(message.rows, message.fault)

    def action_move(self, by: int) -> None:
        self.query_one(GpuList).move(by)

    def action_number(self, by: int) -> None:
        """Plan for more or fewer GPUs."""
        at = max(0, min(len(NUMBERS) - 1, NUMBERS.index(self._number) + by))
        if NUMBERS[at] != self._number:
            current = self.query_one(GpuList).current
            self._number = NUMBERS[at]
            self._name = current.name if current is not None and current.gpu else ""
            self._look()

    @on(GpuList.Chosen)
    def action_take(self) -> None:
        current = self.query_one(GpuList).current
        if current is not None:
            self.dismiss(current.gpu)
