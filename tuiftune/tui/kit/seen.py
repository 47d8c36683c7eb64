"""A record of what was shown once, and is not offered first again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from pathlib import Path


def seen(what: str) -> bool:
    """Return True if it was started or closed here before."""
    return paths.exists(_mark(what))


def remember(what: str) -> None:
    """Record that it was shown. If the home directory is not writable, it is offered again."""
    try:
        _mark(what).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _mark(what).touch()
    except OSError:
        return


def _mark(what: str) -> Path:
    return paths.state_home() / f"{what}-seen"
