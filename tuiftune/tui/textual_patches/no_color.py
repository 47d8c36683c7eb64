"""What NO_COLOR leaves: greys where a terminal mixes colors, attributes alone where it has 16 or its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter, Monochrome, NoColor

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

TEXTUAL = "8.2.8"
RELIES_ON = {
    "textual.filter:Monochrome": "25ff16d1d6aa",
    "textual.filter:NoColor": "62e0defe0847",
}
APART = 0.25  # difference in brightness from which a background is one that tells something
NONE = Style.from_color(RichColor.parse("default"), RichColor.parse("default"))


def leave_colors_out(app: App[str], *, few: bool) -> None:
    """Put the filter below in the place of Textual's; `few`: the terminal has 16 colors at most."""
    kept = (one for one in app._filters if not isinstance(one, Monochrome | NoColor))
    app._filters = [*kept, Uncolored(lambda: few or app.native_ansi_color)]


class Uncolored(LineFilter):
    """`bare` says whether the terminal has colors of its own alone. Textual picks one of its two filters
    before the theme is known, and greys among 8 colors are black on black."""

    def __init__(self, bare: Callable[[], bool]) -> None:
        super().__init__()
        self._bare = bare
        self._greys = Monochrome()

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if not self._bare():
            return self._greys.apply(segments, background)
        return [Segment(text, attributes(style, background), control) for text, style, control in segments]


@lru_cache(4096)
def attributes(style: Style | None, background: Color) -> Style | None:
    """The style without its colors: what stands on a background of its own is reversed."""
    if style is None:
        return None
    plain = style + NONE
    return plain + Style(reverse=not style.reverse) if _stands_out(style.bgcolor, background) else plain


def _stands_out(on: RichColor | None, background: Color) -> bool:
    if on is None or on.is_default:
        return False
    if on.type is ColorType.STANDARD:
        return on.number not in (0, 8)
    return abs(Color.from_rich_color(on).brightness - background.brightness) > APART
