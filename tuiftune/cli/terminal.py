"""How commands speak: data on standard output, talk on standard error, colour only where it helps.

Rich costs more to import than a whole fast command, so the consoles are made on first use.
Rich itself honours NO_COLOR, TERM=dumb and a stream that is no terminal; signs stand beside colours.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from rich.console import Console

Sign = Literal["ok", "warn", "bad", "info", "to do"]
_SIGNS: dict[Sign, tuple[str, str]] = {
    "ok": ("✓", "ok"),
    "warn": ("!", "!"),
    "bad": ("✗", "X"),
    "info": ("·", "-"),
    "to do": ("→", ">"),
}
COLOURS: dict[Sign, str] = {"ok": "green", "warn": "yellow", "bad": "red", "info": "dim", "to do": "yellow"}


@functools.cache
def out() -> Console:
    """The console for what a command was asked for: standard output."""
    from rich.console import Console

    return Console(highlight=False, emoji=False)


@functools.cache
def err() -> Console:
    """The console for what is said to a person: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def say(text: str) -> None:
    """One plain line to the person, on standard error; control characters are escaped, tokens hidden."""
    sys.stderr.write(printable(without_secrets(text)) + "\n")


def write_json(document: Any) -> None:
    """The one JSON document of a `--json` command, on standard output. NaN and infinities become null."""
    import json

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(_finite(document), indent=2, ensure_ascii=not utf8, allow_nan=False)
    # A path's bytes that are no text are lone surrogates here; this error handler writes their JSON escapes.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def plain() -> bool:
    """Whether to speak in plain lines: standard output is no terminal, or one that cannot move its cursor."""
    return not sys.stdout.isatty() or os.environ.get("TERM", "") in {"dumb", ""}


def unicode(stream: Any = None) -> bool:
    """Whether the stream (standard output unless given) can encode the signs and bars that are drawn."""
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
    """The sign that stands beside a colour, in ASCII where the terminal's encoding has no better."""
    return _SIGNS[kind][0 if unicode() else 1]


def bar(share: float, width: int) -> str:
    """A bar of `width` characters, `share` (0 to 1) of it full."""
    full, empty = ("█", "░") if unicode() else ("#", ".")
    filled = round(min(max(share, 0.0), 1.0) * width)
    return full * filled + empty * (width - filled)


def clipboard() -> tuple[str, str]:
    """(how copies reach the user's clipboard, what to do if they don't). The second is empty when it works.

    Terminals take OSC 52; tmux passes it on only when `set-clipboard` is not off.
    """
    import subprocess

    if not os.environ.get("TMUX"):
        return "copies go through the terminal (OSC 52), and into a file beside it", ""
    try:
        answer = subprocess.run(
            ["tmux", "show-options", "-gsv", "set-clipboard"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "tmux does not answer: copies go into a file only", "check that `tmux` is on the PATH"
    if answer.stdout.strip() == "off":
        return "tmux keeps copies to itself", "`tmux set -s set-clipboard on`"
    return "copies go through tmux to your terminal, and into a file beside it", ""


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
