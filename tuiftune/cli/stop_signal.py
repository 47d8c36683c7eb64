"""Whether this command was asked to end by a signal: noted from the first moment on, forgotten by nobody."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class Asked:
    """SIGTERM, and SIGINT where nobody can be asked what it means, become a note.

    One note for as long as the command lives: what comes between two engines counts as well.
    """

    def __init__(self, *, interactive: bool) -> None:
        self.to_end = False
        signal.signal(signal.SIGTERM, self._note)
        if not interactive and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.to_end = True
