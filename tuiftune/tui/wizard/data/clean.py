"""The screen to clean a dataset: options, a preview of the changes, and the new file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.data.clean.flagged import DROPPABLE
from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import REPAIR
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.clean_view import ChoiceRow, RepairChanges, RepairChoices, Survey
from tuiftune.wizard.cleaning import free, output_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.app import ComposeResult

    from tuiftune.data.clean.run import Settings
    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of cleaning.

    Attributes:
        values: (value, as shown, what it means) to step through.
        asks: the question for a typed value; "" if none can be typed.
        hint: shown with the question.
    """

    key: str
    name: str
    values: tuple[tuple[Any, str, str], ...]
    asks: str = ""
    hint: str = ""


CHOICES: tuple[Choice, ...] = (
    Choice(
        "duplicates",
        "duplicates",
        (
            ("drop", "drop", "drop exact duplicates only"),
            ("merge", "merge", "also one row per prompt: most common answer"),
        ),
    ),
    Choice(
        "near",
        "near-duplicates",
        ((False, "keep", "exact duplicates are dropped anyway"), (True, "drop", "keep one of each group")),
    ),
    Choice(
        "mask",
        "redact",
        (
            ("secrets", "secrets", "keys and passwords"),
            ("all", "all", "also personal data: email, phone, cards"),  # words: ok (credit cards)
            ("none", "nothing", "keep secrets as they are"),
        ),
    ),
    Choice(
        "labels",
        "similar labels",
        (
            ("keep", "keep", "spellings such as LOGIN and login"),
            ("merge", "merge", "use the most frequent spelling"),
        ),
    ),
    Choice(
        "outliers",
        "length outliers",
        (
            ("keep", "keep", "no change"),
            ("drop", "drop", "drop rows far longer than others"),
            ("trim", "trim", "shorten at the end of a sentence"),
        ),
    ),
    Choice(
        "drop",
        "flagged rows",
        (((), "keep", "e: drop the rows flagged by checks"),),
        "Drop the rows flagged by which checks?",
        ", ".join(DROPPABLE),
    ),
    Choice(
        "against",
        "leaked rows",
        ((None, "keep", "e: drop rows of an evaluation set"),),
        "Drop the rows of which evaluation set?",
        "A file: rows that are (nearly) in it are dropped. Empty: none.",
    ),
    Choice(
        "split",
        "split",
        (
            (None, "no split", "one file"),
            ("80/10/10", "80/10/10", "train, validation, test"),
            ("90/10", "90/10", "train, validation"),
        ),
        "Which split?",
        "Train/validation/test such as 70/20/10, or train/validation such as 95/5.",
    ),
    Choice(
        "output",
        "write to",
        (),
        "Which file?",
        "A new JSONL file. The files of a split are named after it.",
    ),
)


class AbandonedError(Exception):
    """Raised in the thread if the options have changed since."""


@dataclass
class Doing(Message):
    what: str


@dataclass
class Surveyed(Message):
    settings: Settings
    survey: Survey


@dataclass
class Wrote(Message):
    """The files written, or why there are none."""

    files: list[Path]
    error: str = ""


class Repair(FullScreen[list[Path] | None]):
    """The screen. Dismissed with the files written (train first), or None."""

    SCOPES = (REPAIR,)
    SCROLLS = "#repair"
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, dataset: Dataset, chosen: Mapping[str, Any] | None = None) -> None:
        """`chosen` are initial options by key, from the fix of a check."""
        super().__init__()
        self._dataset = dataset
        self._output = output_of(draft.data, dataset.files)
        self._choices = tuple(
            choice for choice in CHOICES if choice.key != "labels" or dataset.format == "classification"
        )
        self._values = {choice.key: choice.values[0][0] for choice in CHOICES if choice.values}
        self._values |= chosen or {}
        self._first = next(iter(chosen), "") if chosen else ""
        self._writing = False

    def compose(self) -> ComposeResult:
        yield TitleBar("Clean dataset", right="the original file is not changed")
        yield RepairChoices()
        with VerticalScroll(id="repair", can_focus=False):
            yield RepairChanges()
        yield KeyBar(REPAIR)

    def on_mount(self) -> None:
        self._show()
        self._survey()

    def settings(self) -> Settings:
        """Return the options in the form of `data clean`."""
        from tuiftune.data.clean.run import Settings

        return Settings(**self._values)

    def _show(self) -> None:
        rows = []
        for choice in self._choices:
            now = self._now(choice)
            known = {value: (shown, says) for value, shown, says in choice.values}
            rows.append(
                ChoiceRow(choice.key, choice.name, *known.get(now, (str(now), "")), bool(choice.asks))
            )
        self.query_one(RepairChoices).show(rows, self._first or None)
        self._first = ""

    @property
    def _at(self) -> int:
        """The index of the selected option."""
        return self.query_one(RepairChoices).at

    def _now(self, choice: Choice) -> Any:
        """Return the value of an option as shown."""
        if choice.key == "output":
            return str(self._output)
        value = self._values[choice.key]
        return ", ".join(value) if value and isinstance(value, tuple) else value

    def _survey(self) -> None:
        self._tell("checking the rows")
        self.in_thread("repair", self._look, self.settings(), exclusive=True)

    def _tell(self, what: str) -> None:
        self.query_one(RepairChanges).doing(f"{self.app.glyphs.waiting} {what} …")

    def _watch(self) -> Callable[[str, float], None]:
        """What a worker reports to; it ends the work if the worker was canceled."""
        worker = get_current_worker()

        def watch(what: str, _: float) -> None:
            if worker.is_cancelled:
                raise AbandonedError
            self.post_message(Doing(what))

        return watch

    def _look(self, settings: Settings) -> None:
        from tuiftune.data.clean.partition import NAMES, parse_shares, partition
        from tuiftune.data.clean.run import survey

        watch = self._watch()
        try:
            mended, changes, removed, stay = survey(self._dataset, settings, watch)
            parts: list[tuple[str, int]] = []
            if settings.split and len(stay):
                shares = parse_shares(settings.split)
                split = partition(mended, stay, shares, settings.seed, lambda done: watch("splitting", done))
                parts = [(name, len(rows)) for name, rows in zip(NAMES, split.rows, strict=False)]
        except AbandonedError:
            return
        except UserError as error:
            self.post_message(Wrote([], str(error)))
        else:
            found = Survey(self._dataset, mended, changes, removed, stay, parts)
            self.post_message(Surveyed(settings, found))

    @on(Doing)
    def _doing(self, message: Doing) -> None:
        self._tell(message.what)

    @on(Surveyed)
    def _surveyed(self, message: Surveyed) -> None:
        if message.settings == self.settings() and not self._writing:
            self.query_one(RepairChanges).show(message.survey)

    def action_move(self, by: int) -> None:
        self.query_one(RepairChoices).move(by)

    def action_change(self, by: int) -> None:
        """Change the selected option to its next or previous value."""
        choice = self._choices[self._at]
        if self._writing:
            return
        if len(choice.values) < 2:
            self.action_type_value()
            return
        known = [value for value, _, _ in choice.values]
        now = self._values[choice.key]
        self._set(choice, known[(known.index(now) + by) % len(known)] if now in known else known[0])

    def action_choose(self, place: int) -> None:
        """Select the option with this number and change it to its next value."""
        if place >= len(self._choices):
            return
        marked = place == self._at
        self.query_one(RepairChoices).go_to(place)
        if marked or not self._choices[place].asks:
            self.action_change(1)

    def action_type_value(self) -> None:
        """Ask for a value of the selected option."""
        from tuiftune.tui.kit.dialogs import Ask

        choice = self._choices[self._at]
        if self._writing or not choice.asks:
            return
        now = self._now(choice) or ""
        kinds = {"paths": choice.key == "output", "files": choice.key == "against"}
        self.app.push_screen(Ask(choice.asks, now, choice.hint, **kinds), self._typed)

    def _typed(self, text: str | None) -> None:
        choice = self._choices[self._at]
        if text is None:
            return
        try:
            if choice.key == "output":
                self._output = free(text)
                self._show()
                return
            if choice.key == "split" and text:
                from tuiftune.data.clean.partition import parse_shares

                parse_shares(text)
        except UserError as error:
            self.query_one(RepairChanges).doing(f"{self.app.glyphs.error} {error}", "error")
            return
        if choice.key == "drop":
            self._set(choice, tuple(dict.fromkeys(text.replace(",", " ").split())))
        else:
            self._set(choice, text or None)

    def _set(self, choice: Choice, value: Any) -> None:
        self._values[choice.key] = value
        self._show()
        self._survey()

    def action_write(self) -> None:
        """Write the clean rows to new files."""
        if self._writing:
            return
        self._writing = True
        self._tell(f"writing {self._output}")
        self.in_thread("repair", self._write, self.settings(), exclusive=True)

    def _write(self, settings: Settings) -> None:
        from tuiftune.data.clean.run import clean

        try:
            account = clean(self._dataset, self._output, settings, self._watch())
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
