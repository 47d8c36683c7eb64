"""Exporting a run's model: the targets, why one is refused, and how an export compares with the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message

from tuiftune.data.excerpt import excerpt
from tuiftune.errors import UserError, with_fix
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import EXPORT
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.downloading import Downloading
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.deploy.base import Facts, Form, Target
    from tuiftune.runs.store.directory import RunDir

NAME = 14  # cells of a target's name


@dataclass(frozen=True, slots=True)
class Choice:
    """A target as this run sees it. `refused`: why it cannot leave so; "" if it can.

    `lacking`: for each precision, what has to be installed first; "" if nothing.
    """

    target: Target
    refused: str = ""
    lacking: tuple[str, ...] = ()


@dataclass
class Known(Message):
    """What the run's result is, or why that cannot be told."""

    choices: list[Choice]
    fault: str = ""


@dataclass
class Said(Message):
    """How far an export is, in words; `done`: it has ended."""

    lines: list[str]
    done: bool = False
    failed: bool = False


class Targets(CursorList[Choice]):
    """One target a line: whether this run can leave so, its name, and what is written."""

    def line(self, row: Choice, here: bool, width: int) -> Line:
        sign, ink = (self.glyphs.error, "faint") if row.refused else (self.glyphs.ok, "good")
        if row.lacking and all(row.lacking) and not row.refused:
            sign, ink = self.glyphs.warning, "warning"
        line = (
            self.pointer(here).add(f"{sign} ", ink).add(row.target.key.ljust(NAME), "strong" if here else "")
        )
        does = excerpt(row.target.does, max(8, width - line.width))
        return line.add(does, "faint" if row.refused else "soft")

    def key(self, row: Choice) -> str:
        return row.target.key


class Detail(Canvas):
    """The target under the cursor, and what came of an export."""

    def __init__(self) -> None:
        super().__init__()
        self.choice: Choice | None = None
        self.form: Form | None = None
        self.said: list[str] = []
        self.failed = False

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines = [Line()]
        if self.choice is not None and self.form is not None:
            lines += self._target(self.choice, self.form, width)
        for number, words in enumerate(self.said):
            ink = ("warning" if self.failed else "good") if number == 0 else "soft"
            lines += [Line(part, ink) for part in wrapped(words, width)]
        return lines

    def _target(self, choice: Choice, form: Form, width: int) -> list[Line]:
        does = choice.target.does
        lines = [] if len(does) + NAME + 4 <= width else [Line(part, "soft") for part in wrapped(does, width)]
        if choice.refused:
            lines += [Line(part, "warning") for part in wrapped(choice.refused, width)]
        elif len(choice.target.forms) > 1:
            lines.append(
                Line("precision ", "soft").choice(self.glyphs, form.key, True).add(f" {form.does}", "faint")
            )
        if not choice.refused and (lacking := choice.lacking[choice.target.forms.index(form)]):
            lines += [Line(part, "warning") for part in wrapped(lacking, width)]
        if choice.target.not_run:
            words = f"Not run by us: {choice.target.not_run}."
            lines += [Line(part, "faint") for part in wrapped(words, width)]
        return [*lines, Line()]


class Export(FullScreen[None]):
    """The same exports as `tuiftune export`, one at a time, in a thread."""

    CSS_PATH = f"{STYLES}/charts.tcss"
    SCOPES = (EXPORT,)
    SCROLLS = "#told"

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self._forms: dict[str, int] = {}
        self._busy = False

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self.run.name}: export the model")
        yield Targets(id="targets")
        with VerticalScroll(id="told"):
            yield Detail()
        yield KeyBar(EXPORT)

    def on_mount(self) -> None:
        self.query_one(Targets).focus()
        self.in_thread("facts", self._read)

    def _read(self) -> None:
        from tuiftune.deploy import every
        from tuiftune.deploy.facts import facts_of

        try:
            facts = facts_of(self.run)
        except UserError as error:
            self.post_message(Known([], str(error)))
            return
        self.post_message(Known([_choice(target, facts) for target in every().values()]))

    @on(Known)
    def _known(self, message: Known) -> None:
        self.query_one(Targets).show(message.choices)
        if message.fault:
            self._say(Said([message.fault], failed=True))

    @on(Targets.Moved)
    def _moved(self) -> None:
        self._draw()

    def _draw(self) -> None:
        detail, choice = self.query_one(Detail), self.query_one(Targets).current
        detail.choice = choice
        detail.form = None if choice is None else choice.target.forms[self._forms.get(choice.target.key, 0)]
        detail.refresh(layout=True)

    def action_move(self, by: int) -> None:
        self.query_one(Targets).move(by)

    def action_form(self, by: int) -> None:
        choice = self.query_one(Targets).current
        if choice is not None:
            key = choice.target.key
            self._forms[key] = (self._forms.get(key, 0) + by) % len(choice.target.forms)
            self._draw()

    def action_write(self) -> None:
        choice = self.query_one(Targets).current
        if choice is None or choice.refused:
            return
        if self._busy:
            self.notify("An export is running. Wait for it to end.", severity="warning")
            return
        self._busy = True
        self._say(Said(["Checking"]))
        form = choice.target.forms[self._forms.get(choice.target.key, 0)]
        self.in_thread("export", self._write, choice.target.key, form.key)

    def _write(self, target: str, form: str) -> None:
        from tuiftune.deploy import exporting
        from tuiftune.deploy.request import Wanted
        from tuiftune.deploy.words import lines
        from tuiftune.figures import percent

        def tell(said: dict[str, Any]) -> None:
            if phase := said.get("phase"):
                share = percent(said["done"] / said["total"]) if said.get("total") else ""
                self.post_message(Said([f"{phase[:1].upper()}{phase[1:]} {share}".rstrip()]))

        try:
            prepared = exporting.prepare(self.run, Wanted(target, form))
            document = exporting.export(prepared, tell)
        except UserError as error:
            self.post_message(Said([str(error)], done=True, failed=True))
            return
        failed = document["state"] == "failed"
        self.post_message(Said(list(lines(document)), done=True, failed=failed))

    @on(Downloading)
    def _downloading(self, message: Downloading) -> None:
        self._say(Said([message.says]))

    @on(Said)
    def _say(self, message: Said) -> None:
        detail = self.query_one(Detail)
        detail.said, detail.failed = message.lines, message.failed
        self._busy = self._busy and not message.done
        detail.refresh(layout=True)

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)


def _choice(target: Target, facts: Facts) -> Choice:
    refused = target.refuses(facts, target.forms[0])
    lacking = tuple(_lacking(target, facts, form) for form in target.forms)
    return Choice(target, "" if refused is None else f"{refused[0]}. {refused[1]}", lacking)


def _lacking(target: Target, facts: Facts, form: Form) -> str:
    from tuiftune.deploy.exporting import check_tools

    try:
        check_tools(target, facts, form, {})
    except UserError as fault:
        return with_fix(fault.message, fault.remedy)
    return ""
