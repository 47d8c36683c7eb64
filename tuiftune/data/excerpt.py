"""The beginning of a text from data, safe to show."""

from __future__ import annotations

from tuiftune.printable import printable


def excerpt(text: str, length: int = 80) -> str:
    """One line of at most `length` characters, control characters written out, an ellipsis where
    it was cut.
    """
    shown = printable(text[: length * 2].replace("\n", "⏎").replace("\t", "→"))
    return shown if len(shown) <= length and len(text) <= length * 2 else shown[: length - 1] + "…"
