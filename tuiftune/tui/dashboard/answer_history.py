"""Sample answers to evaluation rows, and how they changed from evaluation to evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.data.chat.reasoning import matches
from tuiftune.runs.store.samples import NONE, when
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import ANSWERING
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.runs.store.samples import Change, Generations


LABEL = 15
MOST_LINES = 8  # of one text
EMPTY = (
    "No sample answers yet. Some evaluation rows are answered before training and at each evaluation, if "
    "data.eval, evaluation.rows and evaluation.samples are above 0."
)


class AnswerCourse(Canvas):
    """One prompt with its reference answer, then each answer that differs from the previous one."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._seen: Generations = NONE
        self._row = 0

    def show(self, seen: Generations, row: int) -> None:
        """Show one row. Call `refresh(layout=True)` afterwards if the height follows the text."""
        self._seen, self._row = seen, row
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if not self._seen.questions:
            return [Line(part, "soft") for part in wrapped(EMPTY, width)]
        prompt, reference = self._seen.questions[self._row]
        lines = self._block("prompt", prompt, "soft", width) + self._block(
            "reference", reference, "strong", width
        )
        changes = self._seen.changes(self._row)
        rule = self.glyphs.rule * max(0, width - len("answers") - 1)
        lines += [Line("answers ", "title").add(rule, "faint")]
        if not changes:
            lines.append(Line("none yet", "faint"))
        before = ""
        for number, change in enumerate(changes):
            lines += self._change(change, before if number else change.answer, reference, width)
            before = change.answer
        return lines

    def _block(self, label: str, text: str, ink: str, width: int) -> list[Line]:
        parts = wrapped(text, width - LABEL, MOST_LINES, self.glyphs.more)
        return [
            Line(label if at == 0 else "", "faint").to(LABEL).add(part, ink) for at, part in enumerate(parts)
        ]

    def _change(self, change: Change, before: str, reference: str, width: int) -> list[Line]:
        right = matches(change.answer, reference)
        sign, ink = (self.glyphs.ok, "good") if right else (self.glyphs.error, "warning")
        known = before.split()
        text = change.answer if change.answer.strip() else "(empty)"
        text += f" {self.glyphs.more}" if change.cut else ""
        lines = []
        for at, part in enumerate(wrapped(text, width - LABEL - 2, MOST_LINES, self.glyphs.more)):
            line = Line(when(change) if at == 0 else "", "faint").to(LABEL)
            line.add(f"{sign} " if at == 0 else "  ", ink)
            for place, word in enumerate(part.split(" ")):
                line.add(f"{' ' if place else ''}{word}", "soft" if word in known else "strong")
            lines.append(line)
        return lines


class LatestAnswers(Canvas):
    """The latest answer to each prompt, with the reference answer if it differs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._seen: Generations = NONE

    def show(self, seen: Generations) -> None:
        self._seen = seen
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        more = self.glyphs.more
        if not self._seen.questions:
            return [Line("no sample answers yet", "faint")]
        lines = []
        for number, (_, reference) in enumerate(self._seen.questions):
            changes = self._seen.changes(number)
            if not changes:
                continue
            latest = changes[-1]
            right = matches(latest.answer, reference)
            sign, ink = (self.glyphs.ok, "good") if right else (self.glyphs.error, "warning")
            said = " ".join(latest.answer.split()) or "(empty)"
            lines.append(Line(f"{sign} ", ink).add(wrapped(said, width - 2, 1, more)[0], "strong"))
            if not right:
                wanted = f"reference: {' '.join(reference.split())}"
                lines.append(Line("  ").add(wrapped(wanted, width - 2, 1, more)[0], "soft"))
        if self._seen.rounds:
            last = self._seen.rounds[-1]
            took = "" if last.seconds is None else f", in {last.seconds:.1f} s"
            where = {"before": "base model", "after": "fine-tuned model"}.get(
                last.when, f"step {last.step:,}"
            )
            lines.append(Line(f"{where}{took}; press a for their history", "faint"))
        return lines


class Answering(FullScreen[None]):
    """The screen of sample answers. The dashboard that opened it passes new ones to `take`."""

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (ANSWERING,)
    SCROLLS = "#answering"

    def __init__(self, name: str, seen: Generations) -> None:
        super().__init__()
        self._run_name, self._seen, self._row = name, seen, 0

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self._run_name}: sample answers")
        with VerticalScroll(id="answering"):
            yield AnswerCourse()
        yield KeyBar(ANSWERING)

    def on_mount(self) -> None:
        self.query_one("#answering").focus()
        self._show()

    def take(self, seen: Generations) -> None:
        """Show the answers generated so far."""
        if seen != self._seen:
            self._seen = seen
            if self.is_mounted:
                self._show()

    def _show(self) -> None:
        seen = self._seen
        count = len(seen.questions)
        self._row = max(0, min(self._row, count - 1))
        course = self.query_one(AnswerCourse)
        course.show(seen, self._row)
        course.refresh(layout=True)
        self.query_one(TitleBar).say(right=f"row {self._row + 1} of {count}" if count else "")
        self.query_one(KeyBar).redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return len(self._seen.questions) > 1 if action.startswith("row") else True

    def action_row(self, by: int) -> None:
        count = len(self._seen.questions)
        if count:
            self._row = (self._row + by) % count
            self.query_one("#answering").scroll_home(animate=False)
            self._show()
