"""An option of a list in a dialog: what it is, and below it, set in, what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.style import Style
from rich.text import Text
from textual.color import Color

from tuiftune.printable import printable

if TYPE_CHECKING:
    from typing import Any

    from textual.app import App


def described(
    app: App[Any], name: str, says: str, *, sign: str = "", good: bool = True, mark: str = ""
) -> Group:
    """`sign` stands before the name, in the theme's colour for good or bad; `mark` is a word behind it."""
    head = Text(no_wrap=True)
    if sign:
        head.append(f"{sign} ", _coloured(app, "success" if good else "error"))
    head.append(printable(name), "bold")
    if mark:
        head.append(f"  {mark}", _coloured(app, "success"))
    return Group(head, Padding(Text(printable(says), "dim"), (0, 1, 0, 2)))


def _coloured(app: App[Any], variable: str) -> Style:
    return Style(color=Color.parse(app.theme_variables[variable]).rich_color)
