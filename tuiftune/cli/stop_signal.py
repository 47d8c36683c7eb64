"""A record of whether this command received a signal to end, from its start on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class Asked:
    """Handler of SIGTERM, and of SIGINT if no person can be asked what to do.

    It is valid for the whole command, so a signal between two restarts of the engine counts too.
    """

    def __init__(self, *, interactive: bool) -> None:
        self.to_end = False
        signal.signal(signal.SIGTERM, self._note)
        if not interactive and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.to_end = True
