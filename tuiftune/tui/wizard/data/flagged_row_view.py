"""One flagged row in full, with the problem in braces, and below it the row that it resembles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.checks.where import spans
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.text_diff import differences
from tuiftune.tui.kit.wrap import flowing
from tuiftune.tui.wizard.data.sample_rows import INKS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = 11
LONGEST = 20_000  # characters shown of one message
Row = dict[str, Any]


class RowView(Canvas):
    def __init__(self) -> None:
        super().__init__(id="row-view")
        self._row: Row = {}
        self._twin: Row | None = None
        self._check = ""
        self._tokens = ""

    def show(self, row: Row, twin: Row | None, check: str, tokens: str) -> None:
        """Show a row, the row that it resembles, the check that flagged it, and a note on its tokens."""
        self._row, self._twin, self._check, self._tokens = row, twin, check, tokens
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if not self._row:
            return [Line("no row", "faint")]
        turns, others = turns_of(self._row), turns_of(self._twin) if self._twin else []
        head = Line(f"row {self._row['row']:,}", "strong").add(self._tokens, "soft")
        if self._row["fault"]:
            head.add(f"  {self._row['fault'].replace(':', ' ')}", "warning")
        lines = [head]
        for place, (role, text) in enumerate(turns):
            other = others[place][1] if place < len(others) and others[place][0] == role else None
            lines += self._turn(role, self._marked(role, text, other), width)
        if self._twin is not None:
            lines += [Line(), Line(f"similar to row {self._twin['row']:,}", "strong")]
            for place, (role, text) in enumerate(others):
                same = place < len(turns) and turns[place][0] == role
                lines += self._turn(role, self._marked(role, text, turns[place][1] if same else None), width)
        return lines

    def _marked(self, role: str, text: str, other: str | None) -> list[tuple[str, str]]:
        """Return the text in pieces, with braces around the problem, or around differences from the other."""
        ink = INKS.get(role, "")
        text = text[:LONGEST]
        if not text.strip():
            return [(f"{{{text}}} empty", "error")]
        if other is not None:
            found = differences(text, other[:LONGEST])
            return [
                (old, ink) if kind == "same" else (f"{{{old}}}", "warning") for kind, old, _ in found if old
            ]
        pieces: list[tuple[str, str]] = []
        reached = 0
        for start, end in spans(self._check, text):
            pieces += [(text[reached:start], ink), (f"{{{text[start:end]}}}", "error")]
            reached = end
        return [*pieces, (text[reached:], ink)]

    def _turn(self, role: str, pieces: list[tuple[str, str]], width: int) -> list[Line]:
        lines = []
        for number, line in enumerate(flowing(pieces, width - ROLE)):
            line.spans.insert(0, ((role[: ROLE - 2] if number == 0 else "").ljust(ROLE), "soft"))
            lines.append(line)
        return lines


def turns_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (role, content) of a row's messages, in order."""
    turns = [("system", row["system"])] if row["system"] else []
    if row["messages"] is not None:
        turns += [(turn["role"], turn["content"]) for turn in row["messages"]]
        if row["rejected"] is not None:
            turns.append(("chosen", row["answer"] or ""))
    elif row["prompt"] is None and row["rejected"] is None and row["label"] is None:
        turns.append(("text", row["answer"] or ""))
    else:
        turns += [("user", row["prompt"] or ""), ("assistant", row["answer"] or "")]
    if row["rejected"] is not None:
        turns.append(("rejected", row["rejected"]))
    return turns
