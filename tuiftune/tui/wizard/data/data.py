"""Step 3: the training data. It is read and checked in a thread; results are shown as they arrive."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Horizontal
from textual.widgets import Input, Label
from textual.worker import get_current_worker

from tuiftune import paths
from tuiftune.data.detect.formats import ColumnsError
from tuiftune.data.read.malformed import MalformedError
from tuiftune.errors import UserError, with_fix
from tuiftune.printable import printable
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.path_completion import PathSuggester
from tuiftune.tui.wizard.data.check_list import CheckList
from tuiftune.tui.wizard.data.data_facts import DataFactsView
from tuiftune.tui.wizard.data.messages import (
    AbandonedError,
    Checked,
    Measured,
    Mixed,
    Read,
    Reading,
    Salvaged,
    Unreadable,
)
from tuiftune.tui.wizard.data.sample_rows import SampleRows
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard import cleaning, labels
from tuiftune.wizard.findings import trainable
from tuiftune.wizard.proposals import first_data

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.mix.sources import Mix
    from tuiftune.wizard.draft import Draft

SAMPLES = 40


class DataStep(WizardStep):
    KEY: ClassVar[str] = "data"
    SCOPES = ("wizard", "data")

    def __init__(self) -> None:
        super().__init__()
        self._ready: tuple[str, ...] | None = None  # the sources that were read and can be trained on
        self._read_data: Dataset | None = None
        self._seen: Dataset | None = None  # the last dataset that was read, even if it cannot be trained on
        self._malformed = False  # some lines of the sources are no rows
        self._found = ""  # a summary of it in one line
        self._reading_now = 0  # the number of the read that is shown
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
        self._malformed = False
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
        """In a thread: read the rows, then run the checks one by one, and count token lengths."""
        from tuiftune.data.checks.check import Subject
        from tuiftune.data.inspect import checks_of, length_document
        from tuiftune.wizard.draft import checked_with

        worker = get_current_worker()

        def progress(rows: int) -> None:
            if worker.is_cancelled:
                raise AbandonedError
            self.post_message(Reading(about, rows, "reading"))

        def watch(what: str, share: float) -> None:
            if worker.is_cancelled:
                raise AbandonedError
            self.post_message(Reading(about, None, what, share))

        try:
            dataset = self.app.findings.dataset(draft, progress)
            fault = ""
            try:
                trainable(dataset)
            except UserError as error:
                fault = str(error)
            self.post_message(Read(about, dataset, dataset.head(SAMPLES), fault, labels.similar(dataset)))
            folder = self.app.findings.model_of(draft).path
            if not fault:
                self.post_message(self._mixed(about, draft, dataset))
            subject = Subject(dataset, folder, *checked_with(draft), watch)
            measured = False
            for check in checks_of(subject):
                self.post_message(Checked(about, check))
                if subject.counted and not measured:
                    self.post_message(Measured(about, length_document(subject)))
                    measured = True
            self.post_message(Reading(about, None, ""))
        except AbandonedError:
            return
        except ColumnsError as error:
            says = str(error).removesuffix(".")
            self.post_message(Unreadable(about, f"{says}; or press Ctrl+S to choose format and columns."))
        except MalformedError as error:
            says = with_fix(
                f"{error.place}: {error.message}",
                "press Enter to clean the data: malformed lines are left out",
            )
            self.post_message(Unreadable(about, says, malformed=True))
        except UserError as error:
            self.post_message(Unreadable(about, str(error)))

    def _mixed(self, about: int, draft: Draft, dataset: Dataset) -> Mixed:
        """In a thread: count the rows of the draft's other sources."""
        from tuiftune.data.mix.sources import mixed
        from tuiftune.data.mix.split import split
        from tuiftune.wizard.findings import mix_of

        mix = mix_of(draft)
        if not mix:
            return Mixed(about, ())
        spec, seed = draft.value("data.eval"), draft.value("training.seed")
        seed = 42 if seed is None else int(seed)
        try:
            train, held = split(dataset, 0.05 if spec is None else spec, seed)
            return Mixed(about, mixed(train, held, mix, seed, "your data").portions)
        except UserError as error:
            return Mixed(about, (), str(error))

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
            self._malformed = message.malformed
            self.query_one(DataFactsView).clear()
            self.query_one(CheckList).doing("")
            self.say(message.error, "error")

    def action_mix(self) -> None:
        from tuiftune.tui.wizard.data.mix import Mixing

        dataset = self._dataset()
        if dataset is not None:
            self.app.push_screen(Mixing(self.draft, dataset), self._take_mix)

    def _take_mix(self, mix: Mix | None) -> None:
        if mix is None:
            return
        values = mix.values() if mix else {}
        for key in ("mix", "mix_temperature"):
            self.draft = self.draft.override(f"data.{key}", values.get(key))
        self._inspect(self._given())

    def action_mapping(self) -> None:
        from tuiftune.tui.wizard.data.mapping import ColumnMapping

        given = self._given()
        if not given:
            self.say("Enter a file, a directory or a glob (Ctrl+T browses the files).", "warning")
            return
        self.app.push_screen(ColumnMapping(self.draft.with_(data=given)), self._take_mapping)

    def _take_mapping(self, taken: tuple[str, dict[str, str]] | None) -> None:
        if taken is not None:
            self.draft = self.draft.with_(format=taken[0], columns=taken[1])
            self._inspect(self._given())

    def action_checks(self) -> None:
        from tuiftune.tui.wizard.data.checks import Checks

        checks = self.query_one(CheckList).checks
        if self._seen is None or not checks:
            self.say("No checks yet. They run when rows are read.", "warning")
            return
        self.app.push_screen(Checks(self.draft, self._seen, checks), self._mend)

    def _mend(self, check: Check | None) -> None:
        """Open the fix of a check, with its option set."""
        from tuiftune.tui.wizard.data.clean import Repair
        from tuiftune.tui.wizard.data.max_length import MaxLengthScreen
        from tuiftune.wizard.remedies import remedy_of

        remedy = remedy_of(check, self.draft.value("data.eval")) if check else None
        if remedy is None or self._seen is None:
            return
        if remedy.cut:
            self.app.push_screen(MaxLengthScreen(self.draft, self._seen), self._take_length)
        else:
            self.app.push_screen(Repair(self.draft, self._seen, remedy.chosen), self._take_repaired)

    def action_tree(self) -> None:
        from tuiftune.tui.wizard.data.file_picker import Files

        given = self._given()
        own = bool(given) and paths.names_one(given[0])
        start = paths.given(given[0]) if own else Path()
        self.app.push_screen(Files(start), self._picked)

    def _picked(self, path: Path | None) -> None:
        if path is not None:
            field = self.query_one("#path", Input)
            field.value = str(path)
            field.cursor_position = len(field.value)
            self._inspect(self._given())

    def action_tokens(self) -> None:
        from tuiftune.tui.wizard.data.tokens import TokenRows

        dataset = self._dataset()
        if dataset is not None:
            self.app.push_screen(TokenRows(self.draft, int(dataset.usable.sum()), self._row()))

    def action_cut(self) -> None:
        from tuiftune.tui.wizard.data.max_length import MaxLengthScreen

        dataset = self._dataset()
        if dataset is not None:
            self.app.push_screen(MaxLengthScreen(self.draft, dataset), self._take_length)

    def _take_length(self, max_length: int | None) -> None:
        if max_length is not None:
            self.draft = self.draft.override("data.max_length", max_length)
            self._inspect(self._given())  # the checks depend on max_length

    def action_repair(self) -> None:
        from tuiftune.tui.wizard.data.clean import Repair

        if self._malformed and self._given() == self.draft.data:
            self.say("Reading the other rows …")
            self.in_thread("salvage", self._salvage, self._reading_now, self.draft, exclusive=True)
            return
        dataset = self._dataset()
        if dataset is not None:
            self.app.push_screen(Repair(self.draft, dataset), self._take_repaired)

    def _salvage(self, about: int, draft: Draft) -> None:
        """In a thread: read what can be read."""
        from tuiftune.data.read.load import load

        try:
            dataset = load(
                list(draft.data),
                format=draft.format,
                columns=dict(draft.columns) or None,
                system=draft.system,
                keep_going=True,
            )
        except UserError as error:
            self.post_message(Salvaged(about, None, str(error)))
        else:
            self.post_message(Salvaged(about, dataset))

    @on(Salvaged)
    def _salvaged(self, message: Salvaged) -> None:
        from tuiftune.tui.wizard.data.clean import Repair

        if message.about != self._reading_now:
            return
        if message.dataset is None:
            self.say(message.error, "error")
            return
        if not message.dataset.malformed.count:  # the file was fixed in the meantime
            self._inspect(self._given())
            return
        self.app.push_screen(Repair(self.draft, message.dataset), self._take_repaired)

    def _take_repaired(self, files: list[Path] | None) -> None:
        if not files:
            return
        self.draft = cleaning.repaired(self.draft, files)
        self.query_one("#path", Input).value = shlex.join(self.draft.data)
        self._inspect(self.draft.data)
        self.notify(", ".join(path.name for path in files), title="Wrote clean rows", markup=False)

    def _dataset(self) -> Dataset | None:
        """Return the data that was read; None, with a message, if there are no usable rows (yet)."""
        if self._ready != self.draft.data or self._read_data is None:
            self.say(
                "No usable rows to show. Wait for the rows, or fix the errors listed under Checks.", "warning"
            )
            return None
        return self._read_data

    def _row(self) -> int:
        """Return the number of the first row shown, counted from 1 among the usable ones."""
        return self.query_one(SampleRows).at + 1

    def action_rows(self, by: int) -> None:
        self.query_one(SampleRows).move(by)
