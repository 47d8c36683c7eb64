"""The columns of a file with an example each, the detected format, and the column of each role."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size

from tuiftune.data.excerpt import excerpt
from tuiftune.figures import percent
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.detect.formats import Recognition
    from tuiftune.data.detect.mapping import Column

NAME = 20
KIND = 12
PART = 14
TAKEN = 18  # lines of a screen that are not this list: titles, keys, detected format, roles, a few rows
FEWEST = 3
ROOMY = 30  # lines of a screen from which blank lines separate the lists


class Choice(NamedTuple):
    """The format, or a role with its column ("" for none) and a remark."""

    name: str
    value: str
    remark: str


class MappingView(Canvas):
    def __init__(self) -> None:
        super().__init__(id="mapping")
        self._columns: Sequence[Column] = ()
        self._guess: Recognition | None = None
        self._choices: Sequence[Choice] = ()
        self._at = 0
        self._said = ("", "")

    def show(
        self,
        columns: Sequence[Column],
        guess: Recognition | None,
        choices: Sequence[Choice],
        at: int,
        said: tuple[str, str],
    ) -> None:
        """Show the columns, the detected format, the choices (the format first), the index of the selected
        one, and an error with its severity.
        """
        self._columns, self._guess, self._choices, self._at, self._said = columns, guess, choices, at, said
        self.refresh(layout=True)

    def tell(self, fault: str) -> None:
        """Show why there is nothing to map."""
        self._said = (fault, "error")
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        if self._choices:
            lines += self._guessed(width)
            lines += self._listed(width)
            if self.app.size.height >= ROOMY:
                lines.append(Line())
            lines += [self._choice(place, choice) for place, choice in enumerate(self._choices)]
        elif not self._said[0]:
            lines.append(Line(f"{self.glyphs.waiting} reading the first rows …", "second"))
        text, severity = self._said
        if text:
            sign = f"{self.glyphs.severity(severity)} "
            parts = wrapped(text, width - cell_len(sign), 2, self.glyphs.more)
            lines += [
                Line(" " * cell_len(sign) if row else sign, severity).add(part, severity)
                for row, part in enumerate(parts)
            ]
        return lines

    def _guessed(self, width: int) -> list[Line]:
        guess = self._guess
        if guess is None:
            return [Line("detected    ", "soft").add("no known format: choose the columns below", "warning")]
        words = f"{guess.format} (confidence {percent(guess.confidence)}): {'; '.join(guess.evidence)}"
        parts = wrapped(words, width - 12, 2, self.glyphs.more)
        return [
            Line("detected    " if not row else " " * 12, "soft").add(part) for row, part in enumerate(parts)
        ]

    def _listed(self, width: int) -> list[Line]:
        """Return the columns by number, as many as fit, around the selected one."""
        columns = self._columns
        room = max(FEWEST, self.app.size.height - TAKEN)
        playing = self._choices[self._at].value if self._at else ""
        at = next((place for place, column in enumerate(columns) if column.name == playing), 0)
        start = max(0, min(at - room // 2, len(columns) - room))
        shown = columns[start : start + room]
        head = (
            Line("    ")
            .add("column".ljust(NAME), "soft")
            .add("type".ljust(KIND), "soft")
            .add("example", "soft")
        )
        if len(shown) < len(columns):
            head.right(f"{start + 1}–{start + len(shown)} of {len(columns):,}", "faint", width)
        parts = {choice.value: choice.name for choice in self._choices[1:] if choice.value}
        lines = [head]
        for place, column in enumerate(shown, start + 1):
            number = str(place) if place < 10 else ""
            ink = "strong" if column.name == playing and playing else "good" if column.name in parts else ""
            line = Line(f"{number:>2}  ", "soft")
            line.add(_fit(excerpt(column.name, NAME - 1), NAME), ink)
            line.add(_fit(column.kind, KIND), "soft")
            lines.append(line.add(excerpt(column.example, max(8, width - line.width)), "soft"))
        return lines

    def _choice(self, place: int, choice: Choice) -> Line:
        here = place == self._at
        line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent")
        line.add(choice.name.ljust(PART), "strong" if here else "soft")
        if choice.value:
            line.choice(self.glyphs, excerpt(choice.value, 40), here)
        else:
            line.choice(self.glyphs, "no column", here, "error" if choice.remark else "faint")
        line.add("" if here else "  ")
        return line.add(f"  {choice.remark}" if choice.remark and not choice.value else "", "error")


def _fit(text: str, width: int) -> str:
    return set_cell_size(text, width - 1) + " "
