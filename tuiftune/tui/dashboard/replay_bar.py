"""The progress bar of a replay: playing or paused, speed and position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import duration
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from textual.events import Click

    from tuiftune.runs.state.replay import Replay


class ReplayBar(Canvas):
    """A view of a replay; None while its log is being read. A click jumps to that moment."""

    def __init__(self) -> None:
        super().__init__()
        self._replay: Replay | None = None
        self._track = (0, 1)  # first cell and cells of the bar

    def show(self, replay: Replay | None) -> None:
        self._replay = replay
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        replay, glyphs = self._replay, self.glyphs
        if replay is None:
            return [Line(" reading the log …", "soft")]
        if replay.over:
            sign, words = glyphs.ok, "replay finished"
        elif replay.playing:
            sign, words = glyphs.running, f"replay ×{replay.speed:,}"
        else:
            sign, words = glyphs.stopped, f"replay ×{replay.speed:,}, paused"
        line = Line(f" {sign} {words}  ", "second")
        right = f"  {duration(replay.at)} of {duration(replay.length)} "
        room = max(0, width - line.width - len(right))
        self._track = (line.width, max(1, room))
        share = replay.at / replay.length if replay.length else 1.0
        return [line.bar(glyphs, share, room, "second").add(right, "strong")]

    def moment(self, column: int) -> float | None:
        """Return the seconds of the run at a cell of the bar; None outside of it."""
        start, room = self._track
        if self._replay is None or not start <= column < start + room:
            return None
        return self._replay.length * (column - start) / max(1, room - 1)

    def on_click(self, event: Click) -> None:
        if (at := self.moment(event.x)) is not None:
            getattr(self.screen, "go_to", lambda _: None)(at)
