"""Waiting for what a process or a file does: looked at again and again, with time to spare."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(
    condition: Callable[[], object],
    seconds: float = 60.0,
    shows: Callable[[], str] | None = None,
    every: float = 0.02,
) -> None:
    """Fails when the condition does not come about in time, with what `shows` says then."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s" + (f"; it shows\n{shows()}" if shows else ""))
        time.sleep(every)
