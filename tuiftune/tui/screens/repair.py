"""Repair: what a clean run would change, the choices, and the new file. The original is never touched."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.tui.faults import TellsFaults
from tuiftune.tui.keys import REPAIR, bindings
from tuiftune.tui.repairing import output_of
from tuiftune.tui.widgets.keybar import KeyBar
from tuiftune.tui.widgets.repairview import RepairChanges, RepairChoices, Survey
from tuiftune.tui.widgets.titlebar import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.advice.draft import Draft
    from tuiftune.data.clean.account import Settings
    from tuiftune.data.dataset import Dataset
    from tuiftune.tui.app import TuneApp

# setting of a clean run, its name, (value, as shown, what it means)
CHOICES: tuple[tuple[str, str, tuple[tuple[Any, str, str], ...]], ...] = (
    (
        "near",
        "near-duplicates",
        ((False, "keep", "exact ones go in any case"), (True, "drop", "one of each group stays")),
    ),
    (
        "mask",
        "mask",
        (
            ("secrets", "secrets", "keys and passwords"),
            ("all", "all", "personal data too: mail, phone, cards"),
            ("none", "nothing", "as it is"),
        ),
    ),
    (
        "outliers",
        "length outliers",
        (("keep", "keep", "as they are"), ("drop", "drop", "far off"), ("trim", "trim", "at a sentence")),
    ),
    (
        "split",
        "split",
        (
            (None, "no split", "one file"),
            ("80/10/10", "80/10/10", "to train, to validate, to test; alike rows stay together"),
            ("90/10", "90/10", "to train and to validate; alike rows stay together"),
        ),
    ),
)


class AbandonedError(Exception):
    """Raised in the thread when other choices were made meanwhile."""


class Doing(Message):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class Surveyed(Message):
    def __init__(self, settings: Settings, survey: Survey) -> None:
        super().__init__()
        self.settings, self.survey = settings, survey


class Wrote(Message):
    """The files written, or why there are none."""

    def __init__(self, files: list[Path], error: str = "") -> None:
        super().__init__()
        self.files, self.error = files, error


class Repair(TellsFaults, Screen[list[Path] | None]):
    """Dismissed with the files written (train first), or None."""

    SCOPES = (REPAIR,)
    CSS_PATH = "../styles/wizard.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(REPAIR)
    app: TuneApp

    def __init__(self, draft: Draft, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset
        self._output = output_of(draft.data, dataset.files)
        self._chosen = [0] * len(CHOICES)
        self._at = 0
        self._writing = False

    def compose(self) -> ComposeResult:
        yield TitleBar("Repair", right=f"writes {self._output.name}")
        yield RepairChoices()
        with VerticalScroll(id="repair"):
            yield RepairChanges()
        yield KeyBar(REPAIR)

    def on_mount(self) -> None:
        self._show()
        self._survey()

    def settings(self) -> Settings:
        """The choices as `data clean` takes them."""
        from tuiftune.data.clean.account import Settings

        chosen = zip(CHOICES, self._chosen, strict=True)
        return Settings(**{key: values[at][0] for (key, _, values), at in chosen})

    def _show(self) -> None:
        rows = [
            (name, values[at][1], values[at][2])
            for (_, name, values), at in zip(CHOICES, self._chosen, strict=True)
        ]
        self.query_one(RepairChoices).show(rows, self._at)

    def _survey(self) -> None:
        self._tell("looking through the rows")
        self.run_worker(
            partial(self._look, self.settings()),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            group="repair",
        )

    def _tell(self, what: str) -> None:
        self.query_one(RepairChanges).doing(f"{self.app.glyphs.waiting} {what} …")

    def _look(self, settings: Settings) -> None:
        from tuiftune.data.clean.account import survey

        worker = get_current_worker()

        def watch(what: str, _: float) -> None:
            if worker.is_cancelled:
                raise AbandonedError
            self.post_message(Doing(what))

        try:
            found = survey(self._dataset, settings, watch)
        except AbandonedError:
            return
        except UserError as error:
            self.post_message(Wrote([], str(error)))
        else:
            self.post_message(Surveyed(settings, Survey(self._dataset, *found)))

    @on(Doing)
    def _doing(self, message: Doing) -> None:
        self._tell(message.what)

    @on(Surveyed)
    def _surveyed(self, message: Surveyed) -> None:
        if message.settings == self.settings() and not self._writing:
            self.query_one(RepairChanges).show(message.survey)

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(CHOICES) - 1, self._at + by))
        self._show()

    def action_change(self, by: int) -> None:
        """The next or previous value of the marked choice."""
        if self._writing:
            return
        key, _, values = CHOICES[self._at]
        self._chosen[self._at] = (self._chosen[self._at] + by) % len(values)
        self._show()
        if key != "split":
            self._survey()

    def action_scroll(self, by: int) -> None:
        self.query_one("#repair").scroll_relative(y=by, animate=False)

    def action_write(self) -> None:
        """Write the repaired rows to new files."""
        if self._writing:
            return
        self._writing = True
        self._tell(f"writing {self._output}")
        self.run_worker(
            partial(self._write, self.settings()),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            group="repair",
        )

    def _write(self, settings: Settings) -> None:
        from tuiftune.data.clean.account import clean

        worker = get_current_worker()

        def watch(what: str, _: float) -> None:
            if worker.is_cancelled:
                raise AbandonedError
            self.post_message(Doing(what))

        try:
            account = clean(self._dataset, self._output, settings, watch)
        except AbandonedError:
            return
        except UserError as error:
            self.post_message(Wrote([], str(error)))
        else:
            self.post_message(Wrote(list(account.written)))

    @on(Wrote)
    def _wrote(self, message: Wrote) -> None:
        self._writing = False
        if message.error:
            self.query_one(RepairChanges).doing(f"{self.app.glyphs.error} {message.error}", "error")
        else:
            self.dismiss(message.files)

    def action_close(self) -> None:
        if not self._writing:
            self.dismiss(None)
