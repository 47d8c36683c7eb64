"""Base models to start from: recommended ones first, then those on this machine, then the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.figures import count
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from textual.events import Click, MouseScrollDown, MouseScrollUp

    from tuiftune.wizard.model_rows import Fit, ModelRow


class ModelList(Canvas):
    can_focus = True

    class Pointed(Message):
        """The cursor is on another model."""

        def __init__(self, row: ModelRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="models", classes=classes)
        self._all: list[ModelRow] = []
        self._rows: list[ModelRow] = []
        self._filter = ""
        self._at = 0
        self._top = 0
        self._fits: dict[str, Fit] = {}

    @property
    def current(self) -> ModelRow | None:
        return self._rows[self._at] if self._rows else None

    def show(self, rows: list[ModelRow], chosen: str) -> None:
        """Replace the list; the cursor goes to the chosen model."""
        self._all = rows
        self._apply(chosen)

    def filter(self, text: str) -> None:
        """Keep the models that have all the words in their name."""
        self._filter = text
        self._apply(self.current.reference if self.current else "")
        if self.current is not None:
            self.post_message(self.Pointed(self.current))

    def _apply(self, chosen: str) -> None:
        words = self._filter.casefold().split()
        self._rows = [row for row in self._all if all(word in row.reference.casefold() for word in words)]
        names = [row.reference for row in self._rows]
        self._at = names.index(chosen) if chosen in names else 0
        self.redraw()

    def fitted(self, found: dict[str, Fit]) -> None:
        """Whether these models fit; what was known of others stays."""
        self._fits |= found
        self.redraw()

    def fit_of(self, reference: str) -> Fit | None:
        """What is known of a model."""
        return self._fits.get(reference)

    def move(self, by: int) -> None:
        at = max(0, min(len(self._rows) - 1, self._at + by))
        if self._rows and at != self._at:
            self._at = at
            self.redraw()
            self.post_message(self.Pointed(self._rows[at]))

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._rows:
            words = (
                "no model of that name: m takes any hub id or directory"
                if self._all
                else "looking for models …"
            )
            return [Line(words, "soft")]
        self._top = max(0, min(self._top, self._at, len(self._rows) - height))
        if self._at >= self._top + height:
            self._top = self._at - height + 1
        shown = enumerate(self._rows[self._top : self._top + height], self._top)
        return [self._line(row, index == self._at, width) for index, row in shown]

    def _line(self, row: ModelRow, here: bool, width: int) -> Line:
        glyphs = self.glyphs
        line = Line(f"{glyphs.pointer} " if here else "  ", "accent")
        fit = self._fits.get(row.reference)
        fits = fit.fits if fit else row.fits
        sign, ink = {True: (glyphs.ok, "good"), False: (glyphs.error, "error"), None: (glyphs.dot, "faint")}[
            fits
        ]
        line.add(f"{sign} ", ink)
        first = row.kind == "suggested" and row is self._all[0]
        tail = (fit.technique if fit and fit.fits else "").ljust(5) + count(row.parameters).rjust(8)
        wide = width >= 60
        if wide:
            tail += "  " + row.licence[:14].ljust(14) + (" gated" if row.gated else "      ")
        room = width - line.width - len(tail) - 3
        name = row.reference if width >= 84 else row.short
        name = name if len(name) <= room else name[: room - 1] + glyphs.more[:1]
        line.add(name, "strong" if here else "").add(f" {glyphs.best}" if first else "", "accent")
        return line.to(width - len(tail)).add(tail, "soft")

    def on_click(self, event: Click) -> None:
        at = self._top + event.y
        if at < len(self._rows):
            self.move(at - self._at)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
