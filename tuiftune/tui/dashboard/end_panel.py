"""Why a run ended, in full, and how to fix it. Empty while it runs and when it is done."""

from __future__ import annotations

from tuiftune.errors import has_fix
from tuiftune.runs.status import Fact
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

RESUME = "Resume from the newest verified checkpoint: `tuiftune resume {name}`"
LOGS = "See the log of the training process: `tuiftune logs {name}`"
REMEDIES = {
    "failed": f"Fix the error above. {RESUME}. {LOGS}",
    "nan": f"Start a new run with a lower training.learning_rate, and check the rows of that step. {LOGS}",
    "oom": "Start a new run with a smaller training.micro_batch or data.max_length. Try it: `tuiftune plan`",
    "disk": f"Free some disk space. {RESUME}",
    "died": f"{RESUME}. {LOGS}",
    "stopped": RESUME,
    "preempted": RESUME,
    "killed": RESUME,
}
QUIET = ("", "new", "queued", "starting", "running", "replay", "done")


def told(name: str, status: str, why: str) -> Fact | None:
    """Return the end of a run as a fact with its fix; None if there is nothing to fix."""
    if status in QUIET:
        return None
    remedy = REMEDIES.get(status, "" if has_fix(why) else LOGS).format(name=name)
    bad = status not in ("stopped", "preempted", "killed")
    return Fact("health", "end reason", why or status, remedy, "error" if bad else "")


class Ending(Canvas):
    """The end of the run, up to a third of the screen; the last line says how to see the rest."""

    def __init__(self) -> None:
        super().__init__(id="ending")
        self._fact: Fact | None = None
        self.display = False

    def show(self, fact: Fact | None) -> None:
        if fact != self._fact:
            self._fact = fact
            self._fit()
            self.redraw()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.display = self._fact is not None
        size = self.app.size
        lines = len(self._lines(size.width))
        self.styles.height = min(lines, max(3, size.height // 3))

    def paint(self, width: int, height: int) -> list[Line]:
        lines = self._lines(width)
        if len(lines) > height > 0:
            more = f" {self.glyphs.more} {len(lines) - height + 1} more lines: press w"
            lines = [*lines[: height - 1], Line(more, "soft")]
        return lines

    def _lines(self, width: int) -> list[Line]:
        fact = self._fact
        if fact is None:
            return []
        ink = fact.level or "warning"
        sign = self.glyphs.error if fact.level else self.glyphs.stopped
        lines = [
            Line(f" {sign if at == 0 else ' '} ", ink).add(part, ink)
            for at, part in enumerate(wrapped(fact.value, width - 4))
        ]
        arrow = self.glyphs.to
        lines += [
            Line(f" {arrow if at == 0 else ' ' * len(arrow)} ", "accent").add(part)
            for at, part in enumerate(wrapped(fact.why, width - 3 - len(arrow)))
        ]
        return lines
