"""A screen that another one hides is left alone: nothing of it is drawn."""

from __future__ import annotations

from textual.app import ScreenStackError
from textual.screen import Screen

TEXTUAL = "8.2.8"
RELIES_ON = {"textual.screen:Screen.is_current": "5dcd3e4769c8"}


class SkipsPaintWhenHidden:
    """Mixin for screens that receive messages while another screen covers them.

    Textual treats the screen below as visible even if the top one is opaque, and then repaints both as a
    whole for every message that reaches it: over a hundred kilobytes per second for a live log.
    """

    @property
    def hidden(self) -> bool:
        """Whether an opaque screen covers this one."""
        assert isinstance(self, Screen)
        try:
            top = self.app.screen
        except ScreenStackError:
            return True
        return top is not self and not top.is_modal

    @property
    def is_current(self) -> bool:
        """Textual's own, but for what is hidden."""
        return not self.hidden and bool(super().is_current)  # type: ignore[misc]
