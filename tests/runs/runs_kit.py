"""Where the engine's stand-in lies, and waiting for what a process does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINE = Path(__file__).with_name("fake_engine.py")


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("it did not come about in time")
        time.sleep(0.02)
