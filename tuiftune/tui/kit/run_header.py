"""The header of the dashboard: run, state, progress, remaining time, health and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.figures import count, duration, percent
from tuiftune.plan.planned import NOTHING
from tuiftune.runs.status.course import money_line
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.health_panel import headline

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.health import Health
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.tui.kit.glyphs import Glyphs

PHASES = {
    "loading": "loading the model",
    "tokenising": "tokenizing",  # words: ok (the phase's key in the log)
    "preflight": "preflight check",
    "scoring_before": "evaluating the base model",
    "training": "training",
    "evaluating": "evaluating",
    "saving": "saving",
    "scoring_after": "evaluating the fine-tuned model",
    "exporting": "exporting",
}
STANDINGS = {
    "running": ("running", "good", "running"),
    "starting": ("waiting", "second", "starting"),
    "stopping": ("running", "warning", "stopping after this step"),
    "replay": ("running", "second", "replay"),
    "done": ("ok", "good", "done"),
    "stopped": ("stopped", "warning", "stopped, can be resumed"),
    "preempted": ("stopped", "warning", "preempted, can be resumed"),
    "killed": ("stopped", "warning", "killed, can be resumed"),
    "failed": ("error", "error", "failed"),
    "nan": ("error", "error", "failed: NaN loss"),
    "diverged": ("error", "error", "diverged, stopped"),
    "oom": ("error", "error", "out of GPU memory"),
    "disk": ("error", "error", "disk full"),
    "died": ("error", "error", "crashed"),
    "gone": ("error", "error", "its directory or machine is gone"),
    "queued": ("waiting", "second", "queued"),
    "new": ("waiting", "soft", "not started"),
}


def standing(glyphs: Glyphs, status: str) -> tuple[str, str, str]:
    """Return sign, ink and words for a run's state."""
    sign, ink, words = STANDINGS.get(status, ("info", "soft", status))
    return getattr(glyphs, sign), ink, words


class RunHeader(Canvas):
    """The header. `show` takes the folded state, and the status from the process table.

    `reading` is the share of a long log that was read; None once all of it is.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._run_name = name
        self._state: RunState | None = None
        self._status = "starting"
        self.reading: float | None = None
        self._health: Health | None = None
        self._planned: Planned = NOTHING

    def show(self, state: RunState, status: str, health: Health, planned: Planned) -> None:
        self._state, self._status = state, status
        self._health, self._planned = health, planned
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        state, glyphs = self._state, self.glyphs
        sign, ink, words = standing(glyphs, self._status)
        if state and state.stopping and self._status == "running":
            sign, ink, words = standing(glyphs, "stopping")
        first = Line(" tuiftune ", "brand").add(f" {self._run_name} ", "title").add(f" {sign} {words}", ink)
        if state is None:
            return [first, Line(" reading the event log", "soft")]
        first.right(f"{self._right(state, width)} ", "soft", width)
        return [first, self._progress(state, width), self._judged(state, width)]

    def _judged(self, state: RunState, width: int) -> Line:
        """Return health at the left, cost at the right."""
        money = money_line(state, self._planned)
        while len(money) > width // 2 and ", " in money:
            money = money.rpartition(", ")[0]
        line = Line(" ")
        if self._health is not None:
            words, ink = headline(self.glyphs, self._health, width - len(money) - 5)
            line.add(words, ink)
        return line.right(f"{money} ", "strong", width)

    def _right(self, state: RunState, width: int) -> str:
        model = state.model.rsplit("/", 1)[-1]
        parts = [part for part in (state.technique, model) if part]
        if width >= 110 and state.device:
            parts.append(state.device)
        if width >= 140 and state.trainable and state.parameters:
            every = techniques.all_parameters(state.technique or "", state.parameters, state.trainable)
            share = percent(state.trainable / every, 2)
            parts.append(f"{count(state.trainable)} of {count(every)} parameters trainable ({share})")
        return f" {self.glyphs.dot} ".join(parts)

    def _progress(self, state: RunState, width: int) -> Line:
        total = f"/{state.total_steps:,}" if state.total_steps else ""
        share = state.progress
        step = f"step {state.step:,}{total}"
        if state.end is not None:
            tail = f"{duration(state.seconds)} in total"
        elif self._status == "died":
            tail = f"after {duration(state.seconds)}"
        elif state.eta.seconds is not None:
            tail = f"{duration(state.eta.seconds)} left, {'predicted' if state.eta.predicted else 'measured'}"
        else:
            tail = f"{duration(state.seconds)} so far"
        what = PHASES.get(state.phase.name, state.phase.name or "starting")
        if state.phase.done is not None and state.phase.total and state.phase.name != "training":
            what += f" {state.phase.done}/{state.phase.total}"
        elif width >= 110 and state.phase.detail:
            what += f": {state.phase.detail}"
        if state.end is not None or self._status == "died":
            what = ""
        if self.reading is not None:
            what = f"reading the log, {percent(self.reading)}"
        right = f"{what}  {tail} " if what else f"{tail} "
        left = Line(f" {step}  {percent(share)} " if state.total_steps else f" {step} ", "strong")
        room = width - left.width - len(right) - 1
        left.bar(self.glyphs, share, max(0, room), "good" if state.end is None else "c0")
        return left.add(" ").add(what, "second").add("  " if what else "").add(tail, "strong")
