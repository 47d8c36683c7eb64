"""Output of commands: data on standard output, messages on standard error, color only on terminals.

Importing Rich takes longer than a whole fast command, so the consoles are made on first use. Rich itself
respects NO_COLOR, TERM=dumb and streams that are not terminals. A sign goes with every color.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

Sign = Literal["ok", "warn", "bad", "info", "to do"]
_SIGNS: dict[Sign, tuple[str, str]] = {
    "ok": ("✓", "ok"),
    "warn": ("!", "!"),
    "bad": ("✗", "X"),
    "info": ("·", "-"),
    "to do": ("→", ">"),
}
UNWRAPPED = 500  # columns in a pipe: a row of a table is a line
COLORS: dict[Sign, str] = {"ok": "green", "warn": "yellow", "bad": "red", "info": "dim", "to do": "yellow"}


@functools.cache
def out() -> Console:
    """Return the console for a command's result: standard output."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=UNWRAPPED if unwrapped() else None)


@functools.cache
def err() -> Console:
    """Return the console for messages: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def hush(wanted: bool) -> bool:
    """For `--quiet`: from here on nothing but errors is said on standard error."""
    if wanted:
        err().quiet = True
        _quiet.append(True)
    return wanted


def quiet() -> bool:
    """Return True after `--quiet`."""
    return bool(_quiet)


_quiet: list[bool] = []


def say(text: str) -> None:
    """Print one line on standard error, with control characters escaped and secrets hidden."""
    if _quiet and not text.startswith("error: "):
        return
    sys.stderr.write(printable(without_secrets(text)) + "\n")


def say_wrapped(text: str) -> None:
    """Print one line like `say`; on a terminal it is wrapped between words, and continues indented."""
    for line in _between_words(text, len(text) - len(text.lstrip()) + 2, sys.stderr):
        say(line)


def echo_wrapped(text: str, indent: int) -> None:
    """Print one line on standard output; on a terminal wrapped between words, and continued indented."""
    for line in _between_words(text, indent, sys.stdout):
        sys.stdout.write(line + "\n")


def _between_words(text: str, indent: int, stream: TextIO) -> list[str]:
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    if not stream.isatty() or len(text) <= width:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def write_json(document: Any, name: str = "") -> None:
    """Print the one JSON document of a `--json` command on standard output. NaN and Inf become null.

    `name` is that of its schema (`tuiftune schema NAME`), which the document says first.
    """
    import json

    if name:
        document = {"schema": f"tuiftune/{name}@1", **document}

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(_finite(document), indent=2, ensure_ascii=not utf8, allow_nan=False)
    # Bytes of a path that are not text are lone surrogates here; this handler writes their JSON escapes.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def plain() -> bool:
    """Return True if standard output is not a terminal, or one that cannot move its cursor."""
    return not sys.stdout.isatty() or os.environ.get("TERM", "") in {"dumb", ""}


def unwrapped() -> bool:
    """Whether lines are not to be wrapped: in a pipe or a file, unless COLUMNS says how wide they may be."""
    return not sys.stdout.isatty() and not os.environ.get("COLUMNS")


def unicode(stream: Any = None) -> bool:
    """Return True if the stream (default: standard output) can encode the signs and bars."""
    from tuiftune.terminal import ascii_asked

    if ascii_asked():
        return False
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        "✓✗━█⠿".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sign(kind: Sign) -> str:
    """Return the sign that goes with a color, in ASCII if the terminal's encoding requires it."""
    return _SIGNS[kind][0 if unicode() else 1]


def bar(share: float, width: int) -> str:
    """Return a bar of `width` characters, `share` (0 to 1) of it full."""
    full, empty = ("█", "░") if unicode() else ("#", ".")
    filled = round(min(max(share, 0.0), 1.0) * width)
    return full * filled + empty * (width - filled)


def clipboard() -> tuple[str, str]:
    """Return how copies reach the clipboard, and the fix if they do not ("" if they do).

    Terminals accept OSC 52; tmux passes it on only if `set-clipboard` is not off.
    """
    import subprocess

    if not os.environ.get("TMUX"):
        return "clipboard: copies go through the terminal (OSC 52), and into a file", ""
    try:
        answer = subprocess.run(
            ["tmux", "show-options", "-gsv", "set-clipboard"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return (
            "clipboard: tmux does not answer, so copies go into a file only",
            "Check that `tmux` is on the PATH.",
        )
    if answer.stdout.strip() == "off":
        return (
            "clipboard: tmux does not pass copies on to your terminal",
            "Run `tmux set -s set-clipboard on`.",
        )
    return "clipboard: copies go through tmux to your terminal, and into a file", ""


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
