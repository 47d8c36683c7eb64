"""The capabilities of this terminal: whether it can show the app, how often to draw, colors and signs."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


REMOTE_SECONDS = 1.0  # a full dashboard takes some 2 KB/s then, and 3 % of a core
LOCAL_SECONDS = 0.5


def draw_seconds(environment: Mapping[str, str] | None = None) -> float:
    """Return the seconds between two draws of live data: 1 Hz over SSH, 2 Hz locally."""
    environment = os.environ if environment is None else environment
    remote = (
        environment.get("SSH_CONNECTION") or environment.get("SSH_TTY") or environment.get("MOSH_CONNECTION")
    )
    return REMOTE_SECONDS if remote else LOCAL_SECONDS


def in_browser(environment: Mapping[str, str]) -> bool:
    """Return True if the app is shown in a browser (`tuiftune web`)."""
    return environment.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def plain(environment: Mapping[str, str] | None = None, stdin: Any = None, stdout: Any = None) -> bool:
    """Return True if a full-screen app cannot be shown: no terminal, or one that cannot move its cursor."""
    environment = os.environ if environment is None else environment
    if in_browser(environment):
        return False
    streams = (sys.stdin if stdin is None else stdin, sys.stdout if stdout is None else stdout)
    if environment.get("TERM", "") in {"", "dumb"}:
        return True
    return not all(stream.isatty() for stream in streams)


def dumb(environment: Mapping[str, str] | None = None) -> bool:
    """Return True if this is a terminal that can only add lines, as in Emacs or with a screen reader."""
    environment = os.environ if environment is None else environment
    at_one = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return at_one and environment.get("TERM", "") in {"", "dumb"}


def few_colors(environment: Mapping[str, str] | None = None) -> bool:
    """Return True if the terminal has at most 16 colors, so that its own palette must be used."""
    environment = os.environ if environment is None else environment
    if in_browser(environment) or environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return False
    term = environment.get("TERM", "")
    return "256" not in term and not term.startswith(
        ("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty")
    )


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
    """Return True if the environment requests ASCII: by `TUIFTUNE_ASCII`, or by naming the C locale.

    An unset locale, as in most containers, requests nothing. Python itself sets LC_CTYPE to C.UTF-8 if LANG
    is C (PEP 538), so that is not a request of the user.
    """
    environment = os.environ if environment is None else environment
    if environment.get("TUIFTUNE_ASCII"):
        return True
    kind, language = environment.get("LC_CTYPE", ""), environment.get("LANG", "")
    if kind.upper().replace("-", "") in {"C.UTF8", "UTF8"} and language in {"C", "POSIX"}:
        kind = ""
    return (environment.get("LC_ALL") or kind or language) in {"C", "POSIX"}


def alike(text: str) -> str:
    """Return ASCII of the same width: similar dashes, lines and arrows, letters without accents, else `?`."""
    return "".join(_one(sign) for sign in text)


def _one(sign: str) -> str:
    from rich.cells import cell_len

    drawn = sign.translate(ALIKE)
    if not drawn.isascii():
        drawn = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode("ascii")
    width = cell_len(sign)
    return drawn if len(drawn) == width else "?" * width


def write_alike(*streams: Any) -> None:
    """Make these streams (default: the app's) write similar ASCII signs for characters they cannot encode.

    Escapes such as `\\u2014` would shift the text to their right. If ASCII is requested and the stream is a
    terminal, all signs are written in ASCII.
    """

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
