"""What this terminal can do, and how often to draw in it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REMOTE_SECONDS = 1.0  # a full dashboard takes some 2 KB/s then, and 3 % of a core
LOCAL_SECONDS = 0.5


def draw_seconds(environment: Mapping[str, str] | None = None) -> float:
    """Seconds between two draws of live data: 1 Hz over SSH, 2 Hz at home."""
    environment = os.environ if environment is None else environment
    remote = (
        environment.get("SSH_CONNECTION") or environment.get("SSH_TTY") or environment.get("MOSH_CONNECTION")
    )
    return REMOTE_SECONDS if remote else LOCAL_SECONDS


def in_browser(environment: Mapping[str, str]) -> bool:
    """Whether a browser is at the other end, whatever terminal `tuiftune serve` was started in."""
    return environment.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def plain(environment: Mapping[str, str] | None = None, stdin: Any = None, stdout: Any = None) -> bool:
    """Whether a full-screen app would be wrong here: not a terminal, or one that cannot move its cursor."""
    environment = os.environ if environment is None else environment
    if in_browser(environment):
        return False
    streams = (sys.stdin if stdin is None else stdin, sys.stdout if stdout is None else stdout)
    if environment.get("TERM", "") in {"", "dumb"}:
        return True
    return not all(stream.isatty() for stream in streams)


def dumb(environment: Mapping[str, str] | None = None) -> bool:
    """Whether somebody sits at a terminal that can only add lines, as in Emacs or with a screen reader."""
    environment = os.environ if environment is None else environment
    at_one = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return at_one and environment.get("TERM", "") in {"", "dumb"}


def few_colours(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal has 16 colours or fewer, so that its own palette is used instead of mixed
    colours."""
    environment = os.environ if environment is None else environment
    if in_browser(environment) or environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return False
    term = environment.get("TERM", "")
    return "256" not in term and not term.startswith(
        ("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty")
    )
