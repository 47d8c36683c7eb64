"""Running text in several inks, broken into lines of a width in cells."""

from __future__ import annotations

from rich.cells import cell_len

from tuiftune.printable import printable
from tuiftune.tui.kit.canvas import Line


def flowing(pieces: list[tuple[str, str]], width: int, newline: str = "") -> list[Line]:
    """(text, ink) pieces one after another. A newline ends its line and is shown as `newline`."""
    lines = [Line()]
    room = max(1, width)
    for text, ink in pieces:
        for number, part in enumerate(printable(text, lines=True).replace("\t", "    ").split("\n")):
            if number:
                lines[-1].add(newline, ink)
                lines.append(Line())
                room = width
            taken = ""
            for char in part:
                cells = cell_len(char)
                if cells > room:
                    lines[-1].add(taken, ink)
                    lines.append(Line())
                    taken, room = "", width
                taken += char
                room -= cells
            lines[-1].add(taken, ink)
    return lines
