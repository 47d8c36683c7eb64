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
