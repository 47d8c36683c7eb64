"""What was shown once, and is not offered first any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from pathlib import Path


def seen(what: str) -> bool:
    """Whether it was begun or put aside here before."""
    return paths.exists(_mark(what))


def remember(what: str) -> None:
    """A home directory that cannot be written to offers it again."""
    try:
        _mark(what).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _mark(what).touch()
    except OSError:
        return


def _mark(what: str) -> Path:
    return paths.state_home() / f"{what}-seen"
