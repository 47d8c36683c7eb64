"""Signs that the terminal's encoding lacks, written as one that looks like them and takes as many cells.

Commands and the app share this, so nothing here costs an import before it is needed.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "tuiftune-alike"
_LIKE = {
    "-": "—–─━▔",
    ".": "·•…░",
    ">": "→▸",
    "<": "←⌫‹",
    "^": "↑▲",
    "v": "↓",
    "|": "│┃┤├",
    "+": "╭╮╰╯┌┐└┘┼✓",
}
_LIKE |= {"x": "×✗", '"': "“”", "'": "‘’", "*": "●★◆", "o": "○°", "#": "█▇▆▅▄", "_": "▁▂▃", "/": "⏎"}
ALIKE = {ord(sign): drawn for drawn, signs in _LIKE.items() for sign in signs}


def ascii_asked(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment asks for ASCII: `TUIFTUNE_ASCII`, or the C locale by name.

    A locale that is not set at all, as in most containers, asks for nothing. Python itself sets LC_CTYPE to
    C.UTF-8 where LANG is C (PEP 538), which is no wish of the user's.
    """
    environment = os.environ if environment is None else environment
    if environment.get("TUIFTUNE_ASCII"):
        return True
    kind, language = environment.get("LC_CTYPE", ""), environment.get("LANG", "")
    if kind.upper().replace("-", "") in {"C.UTF8", "UTF8"} and language in {"C", "POSIX"}:
        kind = ""
    return (environment.get("LC_ALL") or kind or language) in {"C", "POSIX"}


def alike(text: str) -> str:
    """ASCII of the same width: dashes, lines and arrows by their like, letters without accents, else `?`."""
    return "".join(_one(sign) for sign in text)


def _one(sign: str) -> str:
    from rich.cells import cell_len

    drawn = sign.translate(ALIKE)
    if not drawn.isascii():
        drawn = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode("ascii")
    width = cell_len(sign)
    return drawn if len(drawn) == width else "?" * width


def write_alike(*streams: Any) -> None:
    """Have these streams show these signs instead of `?` or `\\u2014`, which would shift whatever stands to
    the right; all of them where ASCII is asked for and the stream is a terminal. Without streams: the one
    that the app draws on."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return alike(error.object[error.start : error.end]), error.end

    codecs.register_error(NAME, replace)
    for stream in streams or (sys.__stderr__,):
        if not isinstance(stream, TextIOWrapper):
            continue
        if ascii_asked() and stream.isatty():
            stream.reconfigure(encoding="ascii", errors=NAME)
        elif stream.errors in {"strict", "backslashreplace"}:
            stream.reconfigure(errors=NAME)
