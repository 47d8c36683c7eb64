"""Downloads in the app: a thread that asks for one tells the screen on top, and ends with its screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.worker import NoActiveWorker, get_current_worker

from tuiftune.hub import progress

if TYPE_CHECKING:
    from textual.app import App


@dataclass
class Downloading(Message):
    """How far a download is."""

    progress: progress.Progress

    @property
    def says(self) -> str:
        """What it is in one line: what is to be downloaded, or how far that is and how it is stopped."""
        state = self.progress
        if state.announced:
            return state.announced
        end = "" if state.over else ". Esc stops it; it continues the next time."
        return f"Downloading {state.what}: {state}{end}"


def listen(app: App[Any]) -> None:
    """Let the app's screens be told of downloads, from here on."""

    def told(state: progress.Progress) -> None:
        try:
            if get_current_worker().is_cancelled:
                raise progress.Stopped
        except NoActiveWorker:
            return
        app.screen.post_message(Downloading(state))

    progress.listen(told)
