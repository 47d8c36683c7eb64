"""The screens that the data step opens: mapping, mix, checks, files, tokens, max length and cleaning."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Input

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.tui.wizard.data.check_list import CheckList
from tuiftune.tui.wizard.data.messages import Salvaged
from tuiftune.tui.wizard.data.sample_rows import SampleRows
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard import cleaning

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.mix.sources import Mix
    from tuiftune.wizard.draft import Draft


class OpensDataScreens(WizardStep):
    """Opens them with what was read, and takes what they return."""

    def __init__(self) -> None:
        super().__init__()
        self._ready: tuple[str, ...] | None = None  # the sources that were read and can be trained on
        self._read_data: Dataset | None = None
        self._seen: Dataset | None = None  # the last dataset that was read, even if it cannot be trained on
        self._malformed = False  # some lines of the sources are no rows
        self._unmapped = False  # which column has which role is not known
        self._reading_now = 0  # the number of the read that is shown

    def _given(self) -> tuple[str, ...]:
        """Return the sources that are named."""
        raise NotImplementedError

    def _inspect(self, given: tuple[str, ...]) -> None:
        """Read sources, and forget what was read."""
        raise NotImplementedError

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
