"""A widget that is painted as lines and repaints only the spans that changed: what keeps a dashboard cheap
over SSH."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuiftune.printable import printable
from tuiftune.terminal import ALIKE
from tuiftune.tui.kit.glyphs import ASCII, UNICODE, Glyphs, bar
from tuiftune.tui.kit.inks import style_of

if TYPE_CHECKING:
    from typing import Self

    from rich.style import Style
    from textual.color import Color
    from textual.geometry import Size


JOINED = 8  # unchanged cells between two spans that are sent along


class Line:
    """One line under construction: spans of text with the name of an ink."""

    __slots__ = ("spans",)

    def __init__(self, text: str = "", ink: str = "") -> None:
        self.spans: list[tuple[str, str]] = []
        if text:
            self.add(text, ink)

    def add(self, text: str, ink: str = "") -> Line:
        """Append text; control characters are shown as escapes, never sent to the terminal."""
        if text:
            self.spans.append((printable(text), ink))
        return self

    def bar(self, glyphs: Glyphs, share: float | None, width: int, ink: str = "good") -> Line:
        """Append a bar of `width` cells; an unknown share is an empty track."""
        filled, rest = bar(glyphs, share or 0.0, width)
        return self.add(filled, ink).add(rest, "faint")

    def choice(self, glyphs: Glyphs, value: str, here: bool, ink: str = "strong") -> Line:
        """Append a value that left and right change; `here`: it is the marked one, with arrows about it."""
        left, right = ("‹ ", " ›") if glyphs.braille else ("< ", " >")
        self.add(left if here else "  ", "accent").add(value, ink)
        return self.add(right if here else "", "accent")

    def to(self, column: int) -> Line:
        """Pad with blanks up to `column`."""
        return self.add(" " * (column - self.width))

    def right(self, text: str, ink: str, width: int) -> Line:
        """Put text at the right edge of `width` cells, if there is room."""
        gap = width - self.width - cell_len(text)
        return self.add(" " * gap).add(text, ink) if gap >= 1 else self

    def joined(self) -> list[tuple[str, str]]:
        """The spans with neighbors of one ink in one: each costs some twenty bytes to send."""
        return [("".join(text for text, _ in run), ink) for ink, run in groupby(self.spans, itemgetter(1))]

    @property
    def width(self) -> int:
        return sum(cell_len(text) for text, _ in self.spans)

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.spans)


class Canvas(Widget):
    """Subclasses give `paint(width, height) -> list[Line]` and call `redraw()` when what they show has
    changed.

    Inks are those of `tui.inks`.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._painted: tuple[int, int] = (0, 0)
        self._entitled = ""

    def paint(self, width: int, height: int) -> list[Line]:
        """The lines to show in `width` × `height` cells."""
        raise NotImplementedError

    @property
    def glyphs(self) -> Glyphs:
        return getattr(self.app, "glyphs", UNICODE)

    def entitle(self, title: str) -> None:
        """Set the border's title; setting the same one again would repaint everything."""
        if title != self._entitled:
            self._entitled = title
            self.border_title = Content(printable(title))  # no markup in names

    def redraw(self) -> None:
        """Paint again and send only the spans that differ."""
        if not self.is_mounted or self.size.width < 1 or self.size.height < 1:
            return
        if self._painted != self.size:
            self.refresh()
            return
        fresh = self._compose_strips()
        changed = [
            Region(start, y, stop - start, 1)
            for y, (old, new) in enumerate(zip(self._strips, fresh, strict=True))
            for start, stop in _differences(old, new)
        ]
        self._strips = fresh
        if changed:
            self.refresh(*changed)

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Refresh as Textual does, but paint after a new layout even if the size is the same."""
        if layout:
            self._painted = (0, 0)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        self._painted = (0, 0)
        super().notify_style_update()

    def on_resize(self) -> None:
        if self._painted != self.size:  # the event may come after the painting that it announces
            self._painted = (0, 0)

    def render_line(self, y: int) -> Strip:
        if self._painted != self.size:
            self._strips = self._compose_strips()
            self._painted = (self.size.width, self.size.height)
        return (
            self._strips[y]
            if y < len(self._strips)
            else Strip.blank(self.size.width, self._ink("", self.background_colors[1]))
        )

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.paint(width, viewport.height))

    def _compose_strips(self) -> list[Strip]:
        width, height = self.size
        lines = self.paint(width, height)[:height]
        background = self.background_colors[1]
        inks: dict[str, Style] = {"": self._ink("", background)}
        strips = []
        ascii_only = self.glyphs is ASCII
        for line in lines:
            segments = []
            room = width
            for text, ink in line.joined():
                if ascii_only and not text.isascii():
                    text = text.translate(ALIKE)  # signs only: letters of any script are the user's own
                if room <= 0:
                    break
                length = cell_len(text)
                if length > room:
                    text, length = set_cell_size(text, room), room
                if ink not in inks:
                    inks[ink] = self._ink(ink, background)
                segments.append(Segment(text, inks[ink]))
                room -= length
            if room > 0:
                segments.append(Segment(" " * room, inks[""]))
            strips.append(Strip(segments, width))
        strips += [Strip.blank(width, inks[""])] * (height - len(strips))
        return strips

    def _ink(self, name: str, background: Color) -> Style:
        key = (self.app.theme, background, name)
        if key not in _STYLES:
            _STYLES[key] = style_of(name, self.app.theme_variables, background, self.app.native_ansi_color)
        return _STYLES[key]


_STYLES: dict[tuple[str, Color, str], Style] = {}


def _differences(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """Spans of cells that differ, first and one past the last. Spans with little between them are joined:
    moving the cursor costs about as much as a few cells.
    """
    if old == new:
        return []
    before, after = list(_cells(old)), list(_cells(new))
    if len(before) != len(after):
        return [(0, max(len(before), len(after)))]
    spans: list[tuple[int, int]] = []
    for at, (was, now) in enumerate(zip(before, after, strict=True)):
        if was == now:
            continue
        if spans and at - spans[-1][1] < JOINED:
            spans[-1] = (spans[-1][0], at + 1)
        else:
            spans.append((at, at + 1))
    return spans


def _cells(strip: Strip) -> list[tuple[str, Style | None]]:
    """One entry a cell; a wide character takes its second cell with an empty text."""
    cells: list[tuple[str, Style | None]] = []
    for text, style, _ in strip:
        for char in text:
            width = cell_len(char)
            if width == 0 and cells:
                cells[-1] = (cells[-1][0] + char, style)
                continue
            cells.append((char, style))
            cells += [("", style)] * (width - 1)
    return cells
