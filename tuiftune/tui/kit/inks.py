"""The colors of canvases by name, for every theme. A table starts faster than style rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Ink:
    """Return a theme's color (or a literal one), mixed by `share` with the background.

    `ansi`: colors are the terminal's own. `on` is a color for the background.
    """

    color: str
    share: float = 1.0
    bold: bool = False
    on: str = ""
    ansi: str = ""


INKS: dict[str, Ink] = {
    "": Ink("foreground"),
    "faint": Ink("foreground", 0.5, ansi="ansi_bright_black"),
    "guide": Ink("foreground", 0.2, ansi="ansi_bright_black"),
    "soft": Ink("foreground", 0.65, ansi="ansi_default"),
    "strong": Ink("foreground", bold=True),
    "title": Ink("foreground", bold=True),
    "brand": Ink("background", bold=True, on="primary", ansi="ansi_black"),
    "key": Ink("accent", bold=True),
    "cursor": Ink("background", on="primary", ansi="ansi_black"),
    "good": Ink("success"),
    "trained": Ink("success", bold=True),
    "warning": Ink("warning"),
    "cut": Ink("warning", 0.75, ansi="ansi_yellow"),
    "error": Ink("error"),
    "accent": Ink("accent"),
    "second": Ink("secondary"),
    "raw": Ink("primary", 0.75, ansi="ansi_blue"),
    "c0": Ink("primary"),
    "c1": Ink("secondary"),
    "c2": Ink("accent"),
    "c3": Ink("success"),
    "c4": Ink("#c792ea", ansi="ansi_magenta"),
    "c5": Ink("error"),
    "c6": Ink("#c0caf5", ansi="ansi_white"),
    "c7": Ink("foreground", 0.5, ansi="ansi_bright_black"),
}


def style_of(name: str, theme: Mapping[str, str], background: Color, ansi: bool) -> Style:
    """The style of an ink on a background; `theme` are the theme's variables."""
    ink = INKS[name]
    on = Color.parse(theme[ink.on]) if ink.on else background
    if ansi and ink.ansi:
        return Style(color=Color.parse(ink.ansi).rich_color, bgcolor=on.rich_color, bold=ink.bold or None)
    color = Color.parse(theme.get(ink.color, ink.color))
    if ink.share < 1 and not ansi:
        color = background.blend(color, ink.share, alpha=1.0)
    return Style(color=color.rich_color, bgcolor=on.rich_color, bold=ink.bold or None)
