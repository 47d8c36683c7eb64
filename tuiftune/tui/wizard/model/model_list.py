"""The list of base models: recommended ones first, then those on this machine, then the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import count
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.wizard.model_rows import ModelRow

if TYPE_CHECKING:
    from tuiftune.wizard.model_rows import Fit


class ModelList(CursorList[ModelRow]):
    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="models", classes=classes)
        self._fits: dict[str, Fit] = {}

    def key(self, row: ModelRow) -> str:
        return row.reference

    def text(self, row: ModelRow) -> str:
        return row.reference

    def fitted(self, found: dict[str, Fit]) -> None:
        """Update whether these models fit."""
        self._fits |= found
        self.redraw()

    def fit_of(self, reference: str) -> Fit | None:
        """Return the fit of a model; None if unknown."""
        return self._fits.get(reference)

    def empty(self, width: int) -> list[Line]:
        del width
        unknown = "No match. Press m to enter any model ID or directory."
        return [Line(unknown if self.all else "searching for models …", "soft")]

    def line(self, row: ModelRow, here: bool, width: int) -> Line:
        glyphs, line = self.glyphs, self.pointer(here)
        fit = self._fits.get(row.reference)
        fits = fit.fits if fit else row.fits
        sign, ink = {True: (glyphs.ok, "good"), False: (glyphs.error, "error"), None: (glyphs.dot, "faint")}[
            fits
        ]
        line.add(f"{sign} ", ink)
        first = row.kind == "suggested" and row is self.all[0]
        tail = (fit.technique if fit and fit.fits else "").ljust(5) + count(row.parameters).rjust(8)
        wide = width >= 60
        if wide:
            tail += "  " + row.licence[:14].ljust(14) + (" gated" if row.gated else "      ")
        room = width - line.width - len(tail) - 3
        name = row.reference if width >= 84 else row.short
        name = name if len(name) <= room else name[: room - 1] + glyphs.more[:1]
        line.add(name, "strong" if here else "").add(f" {glyphs.best}" if first else "", "accent")
        return line.to(width - len(tail)).add(tail, "soft")
