"""The replay of a run: the dashboard with a replayed log instead of the live one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.runs.state.liveness import Vitals
from tuiftune.runs.state.replay import Replay
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.dashboard.log_panel import LogPanel
from tuiftune.tui.dashboard.replay_bar import ReplayBar
from tuiftune.tui.keys.scopes import DASHBOARD, REPLAY

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.runs.store.directory import RunDir

JUMP = 0.05  # of the run


@dataclass
class Loaded(Message):
    """The log, ready to be replayed, or why it cannot be."""

    replay: Replay | None
    fault: str = ""


class ReplayScreen(Dashboard):
    """The dashboard as it was at the replayed moment. The run cannot be stopped from here."""

    SCOPES = (REPLAY, DASHBOARD)

    def __init__(self, run: RunDir) -> None:
        super().__init__(run)
        self.status = "replay"
        self.replay: Replay | None = None
        self._ticked = 0.0

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield ReplayBar()

    def follow(self) -> None:
        self.in_thread("replay", self._load)
        self.set_interval(self.app.draw_seconds, self._tick)

    def _load(self) -> None:
        worker = get_current_worker()
        try:
            replay = Replay.of(self.run, lambda: worker.is_cancelled)
        except UserError as error:
            self.post_message(Loaded(None, str(error)))
        else:
            self.post_message(Loaded(replay))

    @on(Loaded)
    def _loaded(self, message: Loaded) -> None:
        if message.replay is None:
            self.notify(message.fault, severity="warning", markup=False)
            self.app.pop_screen()
            return
        self.replay = message.replay
        self._ticked = time.monotonic()
        self._go_on(anew=True)

    def _tick(self) -> None:
        if self.replay is None:
            return
        now = time.monotonic()
        came = self.replay.advance(now - self._ticked)
        self._ticked = now
        if came:
            self._take(came, fold=False)
            self._stand()
        self.query_one(ReplayBar).show(self.replay)

    def _stand(self) -> None:
        self._standing(Vitals("replay"))

    def _go_on(self, *, anew: bool) -> None:
        """Show the replay at its present moment; `anew`: its state was replaced."""
        assert self.replay is not None
        self.state = self.replay.state
        if anew:
            self.query_one(LogPanel).clear()
            self._take(self.replay.seen(), fold=False)
        self._stand()
        self._stale = True
        self._draw()
        self.query_one(ReplayBar).show(self.replay)

    def go_to(self, at: float) -> None:
        """Jump to a moment, in seconds of the run."""
        if self.replay is not None:
            self.replay.seek(at)
            self._ticked = time.monotonic()
            self._go_on(anew=True)

    def action_pause(self) -> None:
        if self.replay is None:
            return
        if self.replay.over:
            self.action_replay()
            return
        self.replay.playing = not self.replay.playing
        self._ticked = time.monotonic()
        self.query_one(ReplayBar).show(self.replay)

    def action_faster(self, by: int) -> None:
        if self.replay is not None:
            self.replay.faster(by)
            self.query_one(ReplayBar).show(self.replay)

    def action_jump(self, times: int) -> None:
        if self.replay is not None:
            self.go_to(self.replay.at + times * JUMP * self.replay.length)

    def action_jump_to(self, place: str) -> None:
        if self.replay is not None:
            self.go_to(0.0 if place == "first" else self.replay.length)

    def action_replay(self) -> None:
        """Replay from the beginning."""
        if self.replay is not None:
            self.replay.playing = True
            self.go_to(0.0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return False if action == "stop" else super().check_action(action, parameters)

    def action_detach(self) -> None:
        if self.zoomed:
            self.action_zoom()
        else:
            self.app.pop_screen()

    def farewell(self) -> str:
        return ""
