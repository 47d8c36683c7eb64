"""Step 3: the training data. It is read and checked in a thread; results are shown as they arrive."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Horizontal
from textual.widgets import Input, Label
from textual.worker import get_current_worker

from tuiftune import paths
from tuiftune.printable import printable
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.path_completion import PathSuggester
from tuiftune.tui.wizard.data.check_list import CheckList
from tuiftune.tui.wizard.data.data_facts import DataFactsView
from tuiftune.tui.wizard.data.messages import (
    Checked,
    Measured,
    Mixed,
    Read,
    Reading,
    Unreadable,
)
from tuiftune.tui.wizard.data.opened import OpensDataScreens
from tuiftune.tui.wizard.data.reading import read_and_check
from tuiftune.tui.wizard.data.sample_rows import SampleRows
from tuiftune.wizard import cleaning, labels
from tuiftune.wizard.proposals import first_data

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.wizard.draft import Draft


class DataStep(OpensDataScreens):
    KEY: ClassVar[str] = "data"
    SCOPES = ("wizard", "data")

    def __init__(self) -> None:
        super().__init__()
        self._found = ""  # a summary of it in one line
        self._go_on = False
        self._similar = labels.Similar()
        self._spelled: tuple[str, ...] = ()  # the sources whose labels are to stay as they are

    def body(self) -> ComposeResult:
        with Horizontal(id="source"):
            yield Label(" File ")
            given = shlex.join(self.draft.data) if self.draft.data else first_data()
            yield Field(
                given,
                id="path",
                suggester=PathSuggester(),
                placeholder="a file, several files, a directory or a glob",
            )
        with Container(id="data"):
            with Horizontal(id="judged"):
                yield DataFactsView(classes="panel")
                yield CheckList(classes="panel")
            yield SampleRows(classes="panel")

    def on_mount(self) -> None:
        for name, title in (
            ("#data-facts", "data"),
            ("#checks", "checks"),
            ("#samples", "rows as the model will see them"),
        ):
            self.query_one(name).border_title = title
        field = self.query_one("#path", Input)
        field.focus()
        field.cursor_position = len(field.value)
        if self._given():
            self._inspect(self._given())
        else:
            self._choose()

    def _choose(self) -> None:
        """Ask which data, rather than guess."""
        from tuiftune.tui.wizard.data.data_choice import DataChoice

        self.say("Enter a file, a directory or a glob (Ctrl+T browses the files).")
        self.app.push_screen(DataChoice(), self._chosen)

    def _chosen(self, text: str | None) -> None:
        if text:
            field = self.query_one("#path", Input)
            field.value = text
            field.cursor_position = len(text)
            self._inspect(self._given())

    def action_back(self) -> None:
        """Go back, and keep what was typed even if it was not read yet."""
        given = self._given()
        if given and shlex.join(given) != first_data():
            self.draft = self.draft.with_(data=given)
        super().action_back()

    def _given(self) -> tuple[str, ...]:
        """Return the sources in the input. A path with spaces is one source if it exists."""
        text = self.query_one("#path", Input).value.strip()
        if not text or paths.names_one(text):
            return (text,) if text else ()
        try:
            return tuple(shlex.split(text))
        except ValueError:
            return (text,)

    @on(Input.Changed, "#path")
    def _typed(self) -> None:
        """While other sources are typed, say that the panels still show the previous ones."""
        given = self._given()
        if self._ready is None or not given:
            return
        if given != self._ready:
            self.say(f"Press Enter to read it. Shown below: {printable(shlex.join(self._ready))}.", "warning")
        else:
            self.say(self._found, "ok")

    @on(Input.Submitted, "#path")
    def _submitted(self) -> None:
        self.action_forward()

    def action_forward(self) -> None:
        given = self._given()
        if self._malformed and given == self.draft.data:
            self.action_repair()
            return
        if self._unmapped and given == self.draft.data:
            self.action_mapping()
            return
        if not given:
            self._choose()
            return
        if given == self._ready:
            if self._similar.pairs and self._spelled != given:
                self._ask_about_labels()
            else:
                super().action_forward()
            return
        self._go_on = given == self.draft.data
        if given != self.draft.data or not self._being_read():
            self._inspect(given)

    def _ask_about_labels(self) -> None:
        """Ask before going on; to merge is the usual answer, which the next screen shows before it writes."""
        from tuiftune.tui.kit.dialogs import Confirm

        self.app.push_screen(Confirm(labels.ASKS, str(self._similar), "Merge", "Keep them"), self._merge)

    def _merge(self, confirmed: bool | None) -> None:
        from tuiftune.tui.wizard.data.clean import Repair

        if confirmed and self._read_data is not None:
            self.app.push_screen(Repair(self.draft, self._read_data, labels.MERGE), self._take_repaired)
        elif confirmed is False:
            self._spelled = self._given()
            super().action_forward()

    def _being_read(self) -> bool:
        return any(worker.group == "data" and worker.is_running for worker in self.workers)

    def _inspect(self, given: tuple[str, ...]) -> None:
        self._ready = self._seen = None
        self._malformed = self._unmapped = False
        self._reading_now += 1
        for view in (self.query_one(DataFactsView), self.query_one(CheckList)):
            view.clear()
        self.query_one(SampleRows).show([])
        if not given:
            self.say("Enter a file, a directory or a glob (Ctrl+T browses the files).", "warning")
            return
        self.say("")
        self.draft = cleaning.with_sources(self.draft, given)
        self.in_thread("data", self._read, self._reading_now, self.draft, exclusive=True)

    def _read(self, about: int, draft: Draft) -> None:
        """In a thread: read the rows, and tell of them as they come."""
        worker = get_current_worker()
        read_and_check(self.app.findings, draft, about, self.post_message, lambda: worker.is_cancelled)

    @on(Mixed)
    def _was_mixed(self, message: Mixed) -> None:
        if message.about == self._reading_now:
            self.query_one(DataFactsView).show_mix(message.portions)
            if message.fault:
                self.say(f"A mixed-in source cannot be read: {message.fault}", "error")

    @on(Reading)
    def _reading(self, message: Reading) -> None:
        if message.about == self._reading_now:
            if message.rows is not None:
                self.query_one(DataFactsView).reading(message.rows)
            else:
                self.query_one(CheckList).doing(message.doing, message.share)

    @on(Read)
    def _was_read(self, message: Read) -> None:
        if message.about != self._reading_now:
            return
        self._seen = message.dataset
        self.query_one(DataFactsView).show(message.dataset)
        self.query_one(SampleRows).show(message.samples)
        if message.fault or not message.samples:
            self.say(message.fault or "No row can be trained on. See the checks for the reasons.", "error")
            return
        self._ready, self._read_data = self.draft.data, message.dataset
        self._similar = message.similar
        evidence = "; ".join(message.dataset.evidence[:2])
        self._found = f"{message.dataset.rows:,} rows of {message.dataset.format}: {evidence}"
        self.say(self._found, "ok")
        if self._go_on:
            self._go_on = False
            self.action_forward()

    @on(Checked)
    def _checked(self, message: Checked) -> None:
        from tuiftune.tui.wizard.data.checks import Checks

        if message.about == self._reading_now:
            view = self.query_one(CheckList)
            view.add(message.check)
            if isinstance(self.app.screen, Checks):
                self.app.screen.take(view.checks)

    @on(Measured)
    def _measured(self, message: Measured) -> None:
        if message.about == self._reading_now:
            self.query_one(DataFactsView).show_lengths(message.lengths)

    @on(Unreadable)
    def _unreadable(self, message: Unreadable) -> None:
        if message.about == self._reading_now:
            self._go_on = False
            self._malformed, self._unmapped = message.malformed, message.unmapped
            self.query_one(DataFactsView).clear()
            self.query_one(CheckList).doing("")
            self.say(message.error, "error")
