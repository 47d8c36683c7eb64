"""A prompt with few-shot examples from the user's rows: a preview, then written to files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import PROMPTING
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.headings import Lead, TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.path_completion import PathSuggester
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.wizard.proposals import decide_command, first_data

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.advice.prompting import Prompt
    from tuiftune.wizard.draft import Draft


INKS = {"Input:": "second", "Answer:": "good", "{input}": "accent"}


class PromptView(Canvas):
    """The prompt at its full height, for a scrolling container."""

    def __init__(self) -> None:
        super().__init__()
        self._prompt: Prompt | None = None

    def show(self, prompt: Prompt | None) -> None:
        self._prompt = prompt
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if self._prompt is None:
            return [Line()]
        lines: list[Line] = []
        shots = iter(self._prompt.shots)
        for text in self._prompt.template.split("\n"):
            ink = "title" if text.startswith("#") else INKS.get(text, "")
            parts = [Line(part, ink) for part in wrapped(text, width)]
            if text == "Input:" and (shot := next(shots, None)) is not None:
                parts[0].add(f"   (row {shot.row})", "faint")
            lines += parts
        return lines


FOLDER = "prompt-starter"


@dataclass
class Made(Message):
    """The prompt from these sources, or why there is none."""

    data: tuple[str, ...]
    prompt: Prompt | None
    error: str


class PromptStarter(FullScreen[None]):
    CSS_PATH = f"{STYLES}/wizard.tcss"
    SCOPES = (PROMPTING,)
    SCROLLS = "#starter"

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._prompt: Prompt | None = None
        self._data = draft.data

    def compose(self) -> ComposeResult:
        yield TitleBar("prompt from your rows")
        yield Lead("An instruction, and some of your rows as few-shot examples.")
        with Horizontal(classes="field"):
            yield Label(" Rows       ")
            given = shlex.join(self._draft.data) if self._draft.data else first_data()
            yield Field(given, id="rows", suggester=PathSuggester(), placeholder="a file, directory or glob")
        with Horizontal(classes="field"):
            yield Label(" Write into ")
            yield Field(FOLDER, id="folder", suggester=PathSuggester(files=False), placeholder="a directory")
        with VerticalScroll(id="starter", classes="panel") as box:
            box.border_title = "prompt.md, as it will be written"
            box.can_focus = False
            yield PromptView()
        yield KeyBar(PROMPTING)

    def on_mount(self) -> None:
        self.query_one("#folder").focus()
        self.action_read()

    def action_read(self) -> None:
        text = self.query_one("#rows", Input).value.strip()
        if not text:
            self._say("Enter the rows to choose examples from: a file, a directory or a glob.", "warning")
            return
        try:
            data = (text,) if paths.names_one(text) else tuple(shlex.split(text))
        except ValueError:
            data = (text,)
        self._prompt = None
        self.query_one(PromptView).show(None)
        self._say("choosing rows …")
        self.in_thread("prompt", self._make, self._draft.with_(data=data), exclusive=True)

    def _make(self, draft: Draft) -> None:
        from tuiftune.advice.prompting import starter

        try:
            examples = self.app.findings.dataset(draft).examples()
            made = starter(examples, task=draft.answers.get("task", ""))
        except UserError as error:
            self.post_message(Made(draft.data, None, str(error)))
        else:
            self.post_message(Made(draft.data, made, ""))

    @on(Made)
    def _made(self, message: Made) -> None:
        made = message.prompt
        if made is None:
            self._say(message.error, "error")
            return
        self._prompt, self._data = made, message.data
        rows = ", ".join(str(shot.row) for shot in made.shots)
        labels = f" All {len(made.labels)} labels are listed." if made.labels else ""
        self._say(
            made.note
            or f"Chose {len(made.shots)} of {made.rows:,} rows, as different as possible: {rows}.{labels}",
            "warning" if made.note else "ok",
        )
        self.query_one(PromptView).show(made)

    def _say(self, text: str, severity: str = "info") -> None:
        self.query_one(Lead).say(text, severity)

    @on(Input.Submitted, "#rows")
    def _rows_given(self) -> None:
        self.action_read()

    @on(Input.Submitted, "#folder")
    def action_write(self) -> None:
        """Write both files; existing files are never overwritten."""
        from tuiftune.advice.prompting import write

        if self._prompt is None:
            return
        folder = self.query_one("#folder", Input).value.strip() or FOLDER
        try:
            text, shots = write(self._prompt, paths.given(folder))
        except UserError as error:
            self._say(str(error), "error")
        else:
            command = decide_command(self._data, model=self._draft.model, prompt=text)
            self._say(printable(f"Wrote {text} and {shots}. Measure it on your rows: {command}"), "ok")
