"""Text that came from a file, a model name or another program, made safe to show on a terminal."""

from __future__ import annotations

import unicodedata

# Controls and format characters (bidi overrides, zero-width joins) repaint a terminal or hide text;
# lone surrogates (Cs) cannot be encoded at all.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control, escape and bidirectional characters shown as escapes such as `\\x1b`.

    With `lines`, newlines and tabs are kept, for text that is shown as a block.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_safe(char, lines) for char in text)


def _safe(char: str, lines: bool) -> str:
    if lines and char in "\n\t":
        return char
    if unicodedata.category(char) in _UNSAFE:
        return char.encode("unicode_escape").decode("ascii")
    return char
