"""The sources of a mix, each with its amount and its share of an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.data.excerpt import excerpt
from tuiftune.figures import percent, plural
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.mix.sources import Mix, Portion

NAME = 24


def source_name(path: str) -> str:
    """Return the name of a source for a list: the file name."""
    return path if path.startswith("builtin:") else Path(path).name


class MixView(Canvas):
    def __init__(self) -> None:
        super().__init__(id="mix")
        self._mix: Mix | None = None
        self._portions: Sequence[Portion] = ()
        self._at = 0
        self._said = ("", "")

    def show(self, mix: Mix, portions: Sequence[Portion], at: int, said: tuple[str, str]) -> None:
        """Show a mix, its rows per epoch, the index of the selected line, and a message with its ink.

        The lines are the sources, then the temperature. There are no rows while they are counted.
        """
        self._mix, self._portions, self._at, self._said = mix, portions, at, said
        self.redraw()

    @property
    def counted(self) -> bool:
        """True if the rows per epoch of every source are known."""
        return bool(self._portions)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        mix = self._mix
        if mix is None:
            return []
        total = sum(portion.seen for portion in self._portions)
        head = Line("  ").add("source".ljust(NAME), "soft").add("    rows", "soft")
        lines = [head.add("    amount".ljust(16), "soft").add("  /epoch", "soft").add("   share", "soft")]
        main = self._portions[0] if self._portions else None
        lines.append(self._line("your data", main, "× 1", total, width, here=False))
        for place, source in enumerate(mix.sources):
            portion = self._portions[place + 1] if place + 1 < len(self._portions) else None
            if mix.temperature is not None:
                amount = f"× {portion.weight:.3g}" if portion else self.glyphs.more
            else:
                amount = f"× {source.weight:g}" if source.share is None else percent(source.share, 1)
            name = source_name(source.path)
            lines.append(self._line(name, portion, amount, total, width, here=place == self._at))
            if portion is not None and portion.left_out:
                said = f"{plural(portion.left_out, 'row')} dropped: their prompts are in the evaluation set"
                lines.append(Line("    ").add(said, "warning"))
        lines.append(Line())
        here = self._at == len(mix.sources)
        value = "off" if mix.temperature is None else f"{mix.temperature:g}"
        line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent")
        line.add("temperature".ljust(NAME), "strong" if here else "soft").add(" " * 8)
        lines.append(self._amount(line, value, here).add(" sets all amounts by size", "faint"))
        lines.append(Line())
        if total:
            lines.append(Line(f"One epoch has {plural(total, 'row')}.", "strong"))
        if not mix.sources:
            lines += [
                Line(part, "soft")
                for part in wrapped(
                    "No other sources. Press a to add one. About 10% general data helps the model keep its "
                    "general skills.",
                    width,
                )
            ]
        if self._said[0]:
            lines += [Line(part, self._said[1]) for part in wrapped(self._said[0], width)]
        return lines

    def _line(
        self, name: str, portion: Portion | None, amount: str, total: int, width: int, *, here: bool
    ) -> Line:
        line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent")
        line.add(excerpt(name, NAME - 1), "strong" if here else "").to(2 + NAME)
        line.add(f"{portion.rows:>8,}" if portion else self.glyphs.more.rjust(8), "soft")
        self._amount(line, amount, here)
        if portion is None:
            return line
        share = portion.seen / max(1, total)
        line.add(f"{portion.seen:>8,}", "strong").add("   ")
        line.bar(self.glyphs, share, max(6, min(30, width - line.width - 7)), "c1")
        return line.add(f" {percent(share):>5}", "soft")

    def _amount(self, line: Line, amount: str, here: bool) -> Line:
        return line.add("  ").choice(self.glyphs, amount, here).to(2 + NAME + 8 + 16)
