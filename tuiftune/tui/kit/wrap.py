"""Text, plain or in several inks, in lines of a width in cells; control characters are shown as escapes."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells

from tuiftune.printable import printable
from tuiftune.tui.kit.canvas import Line


def wrapped(text: str, width: int, most: int | None = None, more: str = "…") -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks where that is possible; newlines are kept.

    With `most`, further lines are cut off and the last one ends in `more`.
    """
    width = max(1, width)
    lines: list[str] = []
    for paragraph in printable(text, lines=True).replace("\t", "    ").split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if cell_len(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            pieces = chop_cells(word, width) if cell_len(word) > width else [word]
            lines += pieces[:-1]
            line = pieces[-1] if pieces else ""
        lines.append(line)
    if most is not None and len(lines) > most:
        lines = lines[:most]
        last = lines[-1]
        while last and cell_len(last) + cell_len(more) > width:
            last = last[:-1]
        lines[-1] = last + more
    return lines


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
