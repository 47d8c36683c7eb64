"""Making text from files, model names or other programs safe to show and to store."""

from __future__ import annotations

import re
import unicodedata

# Controls and format characters (bidi overrides, zero-width joins) repaint a terminal or hide text;
# lone surrogates (Cs) cannot be encoded at all.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NOT_PLAIN = {False: re.compile("[^ -~]"), True: re.compile("[^ -~\n\t]")}


def printable(text: str, *, lines: bool = False) -> str:
    """Return `text` with control, escape and bidirectional characters as escapes such as `\\x1b`.

    With `lines`, newlines and tabs are kept, for text that is shown as a block.
    """
    return _NOT_PLAIN[lines].sub(_safe, text)


def _safe(found: re.Match[str]) -> str:
    char = found[0]
    if unicodedata.category(char) in _UNSAFE:
        return char.encode("unicode_escape").decode("ascii")
    return char
