"""A run that is followed in addition to the one on the screen: an invisible widget with its state."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget

from tuiftune.runs.state.run_state import RunState
from tuiftune.tui.kit.tail import Arrived, Opened, Seen, follow

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


class FollowedRun(Widget):
    """Mount it to start following; remove it to stop. `opened` is True once its log was read."""

    DEFAULT_CSS = "FollowedRun { display: none; }"

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.state = RunState()
        self.status = "starting"
        self.opened = False

    def on_mount(self) -> None:
        self.run_worker(
            partial(follow, self.run, self),
            thread=True,
            exit_on_error=False,
            group="tail",
            description=f"event log of {self.run.name}",
        )

    @on(Opened)
    def _opened(self, message: Opened) -> None:
        message.stop()
        self.state, self.opened = message.state, True
        self.status = message.vitals.state

    @on(Arrived)
    def _arrived(self, message: Arrived) -> None:
        message.stop()
        for event in message.events:
            self.state.fold(event)

    @on(Seen)
    def _seen(self, message: Seen) -> None:
        message.stop()
        self.status = message.vitals.state
