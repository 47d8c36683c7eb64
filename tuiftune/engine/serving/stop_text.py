"""Text that comes piece by piece, up to the first of some stop texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stop:
    """Passes text on up to a stop, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops, self._held, self._met = tuple(stops), "", False

    def feed(self, text: str) -> str:
        """Return what can be passed on."""
        if self._met:
            return ""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self._met = True
            return self._passed(min(found))
        kept = max(self._begun(stop) for stop in self._stops)
        return self._passed(len(self._held) - kept)

    def rest(self) -> str:
        """Return what was held back, once no more text comes."""
        return "" if self._met else self._passed(len(self._held))

    def _begun(self, stop: str) -> int:
        """Return the length of the beginning of a stop that the held text ends with."""
        sizes = range(min(len(stop) - 1, len(self._held)), 0, -1)
        return next((size for size in sizes if self._held.endswith(stop[:size])), 0)

    def _passed(self, length: int) -> str:
        passed, self._held = self._held[:length], self._held[length:]
        return passed
