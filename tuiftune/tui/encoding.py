"""Signs that the terminal's encoding lacks, written as one that looks like them and takes as many cells."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from io import TextIOWrapper

from rich.cells import cell_len

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
_LIKE |= {"x": "×✗", '"': "“”", "'": "‘’", "*": "●★◆", "o": "○", "#": "█", "_": "▁"}
ALIKE = {ord(sign): drawn for drawn, signs in _LIKE.items() for sign in signs}


def alike(text: str) -> str:
    """ASCII of the same width: dashes, lines and arrows by their like, letters without accents, else `?`."""
    return "".join(_one(sign) for sign in text)


def _one(sign: str) -> str:
    drawn = sign.translate(ALIKE)
    if not drawn.isascii():
        drawn = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode("ascii")
    width = cell_len(sign)
    return drawn if len(drawn) == width else "?" * width


def write_alike() -> None:
    """Have the terminal that the app draws on show these instead of `\\u2014` and the like, which would shift
    whatever stands to the right."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return alike(error.object[error.start : error.end]), error.end

    codecs.register_error(NAME, replace)
    if isinstance(sys.__stderr__, TextIOWrapper):
        sys.__stderr__.reconfigure(errors=NAME)
