"""A test of retrieval (RAG): the user's documents are indexed, and questions show the passages found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label
from textual.worker import get_current_worker

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.printable import printable
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import RETRIEVAL
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.headings import Lead, TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.path_completion import PathSuggester
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.wizard.proposals import decide_command, first_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

    from tuiftune.advice.bm25 import Hit, Index
    from tuiftune.wizard.draft import Draft


TEXT_LINES = 3


class HitList(Canvas):
    """Passages by question at their full height, for a scrolling container."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Mapping[str, Sequence[Hit]] = {}

    def show(self, found: Mapping[str, Sequence[Hit]]) -> None:
        self._found = found
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for question, hits in self._found.items():
            if len(self._found) > 1:
                lines += [Line(part, "title") for part in wrapped(question, width, 2)]
            if not hits:
                says = "  no passage shares a word with this question, so these documents cannot answer it"
                lines += [Line(part, "warning") for part in wrapped(says, width)]
            for number, hit in enumerate(hits, 1):
                place = f"{hit.passage.file}:{hit.passage.line}"
                line = Line(f"{number} ", "key").add(place, "second").add(f"  {hit.score:.1f}  ", "strong")
                room = width - line.width
                if room > 12:
                    line.add(wrapped(", ".join(hit.matched), room, 1)[0], "faint")
                text = " ".join(hit.passage.text.split())
                lines += [
                    line,
                    *(Line("  ").add(part, "soft") for part in wrapped(text, width - 2, TEXT_LINES)),
                ]
            lines.append(Line())
        return lines or [Line("no question yet", "faint")]


TOP = 5
FOLDER = "retrieval-starter"


@dataclass
class Indexed(Message):
    """The index of the documents and questions from the rows, or why there is none."""

    path: str
    index: Index | None
    samples: tuple[str, ...]
    error: str


@dataclass
class Found(Message):
    """The passages found for these questions, best first."""

    found: dict[str, list[Hit]]


class RetrievalStarter(FullScreen[None]):
    CSS_PATH = f"{STYLES}/wizard.tcss"
    SCOPES = (RETRIEVAL,)
    SCROLLS = "#starter"

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._index: Index | None = None
        self._samples: tuple[str, ...] = ()
        self._at = -1

    def compose(self) -> ComposeResult:
        yield TitleBar("retrieval (RAG) test")
        yield Lead("Do your documents contain the answers?")
        with Horizontal(classes="field"):
            yield Label(" Documents ")
            yield Field(
                first_documents(),
                id="documents",
                suggester=PathSuggester(),
                placeholder="a directory, or a file: .txt .md .rst .jsonl .json",
            )
        with Horizontal(classes="field"):
            yield Label(" Question  ")
            yield Input("", id="question", placeholder="as a user would ask it")
        with VerticalScroll(id="starter", classes="panel") as box:
            box.border_title = "passages found"
            box.can_focus = False
            yield HitList()
        yield KeyBar(RETRIEVAL)

    def on_mount(self) -> None:
        field = self.query_one("#documents", Input)
        field.focus()
        if field.value:
            self._read()
        else:
            self._say("Enter the directory of your documents. It is indexed in memory.")

    @on(Input.Submitted, "#documents")
    def _read(self) -> None:
        path = self.query_one("#documents", Input).value.strip()
        if not path:
            return
        self._index = None
        self._say("indexing …")
        self.in_thread("index", self._make, path, exclusive=True)

    def _make(self, path: str) -> None:
        from tuiftune.advice import retrieval

        try:
            built = retrieval.index(paths.given(path))
        except UserError as error:
            self.post_message(Indexed(path, None, (), str(error)))
            return
        samples: tuple[str, ...] = ()
        if self._draft.data:
            try:
                samples = retrieval.sample_questions(self.app.findings.dataset(self._draft).examples())
            except UserError:
                samples = ()  # the data step reports what is wrong with the data
        self.post_message(Indexed(path, built, samples, ""))

    @on(Indexed)
    def _indexed(self, message: Indexed) -> None:
        built = message.index
        if built is None:
            self._say(message.error, "error")
            return
        self._index, self._samples = built, message.samples
        files = len({passage.file for passage in built.passages})
        says = f"{plural(len(built.passages), 'passage')} from {plural(files, 'file')}."
        more = " Press ↓ for questions from your rows." if self._samples else " Type a question."
        self._say(says + more, "ok")
        self.query_one("#question").focus()
        self._search()

    @on(Input.Changed, "#question")
    def _search(self) -> None:
        """Search for the question while it is typed; if it is empty, for all sample questions."""
        if self._index is None:
            return
        question = self.query_one("#question", Input).value.strip()
        asked = (question,) if question else self._samples
        self.in_thread("ask", self._ask, self._index, asked, TOP if question else 1, exclusive=True)

    def _ask(self, index: Index, asked: tuple[str, ...], many: int) -> None:
        from tuiftune.advice.retrieval import ask

        worker = get_current_worker()
        found: dict[str, list[Hit]] = {}
        for question in asked:
            if worker.is_cancelled:
                return
            found |= ask(index, [question], many)
        self.post_message(Found(found))

    @on(Found)
    def _found(self, message: Found) -> None:
        question = self.query_one("#question", Input).value.strip()
        if set(message.found) == ({question} if question else set(self._samples)):
            self.query_one(HitList).show(message.found)
            self.query_one("#starter").scroll_home(animate=False)

    def _say(self, text: str, severity: str = "info") -> None:
        self.query_one(Lead).say(text, severity)

    def action_sample(self, by: int) -> None:
        """Enter another question from the rows."""
        if self._samples:
            self._at = (self._at + by) % len(self._samples)
            field = self.query_one("#question", Input)
            field.value = self._samples[self._at]
            field.focus()

    def action_write(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask

        if self._index is None:
            self._say("No index yet. Enter the documents first.", "warning")
            return
        hint = "For index.json (the passages) and prompt.md (the question with its sources)."
        self.app.push_screen(Ask("Write into which directory?", FOLDER, hint, paths=True), self._write)

    def _write(self, directory: str | None) -> None:
        from tuiftune.advice.retrieval import write

        if not directory or self._index is None:
            return
        question = self.query_one("#question", Input).value.strip() or "{question}"
        try:
            text, passages = write(self._index, question, TOP, paths.given(directory))
        except UserError as error:
            self._say(str(error), "error")
        else:
            documents = self.query_one("#documents", Input).value.strip()
            command = decide_command(self._draft.data, model=self._draft.model, documents=documents)
            self._say(printable(f"Wrote {text} and {passages}. Measure it on your rows: {command}"), "ok")
