"""Details of the run under the cursor of the home screen: its loss curve and its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import count, duration, percent, real
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.chart.chart import Chart
from tuiftune.tui.kit.chart.curves import layers
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.summary import Summary

FACTS = 38


class RunDetail(Chart):
    """The chart on the left, facts on the right; both from the log."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(empty="no steps yet", id="run-detail", classes=classes)
        self._summary: Summary | None = None
        self._state: RunState | None = None

    def show(self, summary: Summary | None, state: RunState | None) -> None:  # type: ignore[override]
        """Replace the run that is shown; `state` is None while its log is being read."""
        self._summary, self._state = summary, state
        self.entitle(summary.name if summary else "")
        super().show(
            layers(state, "loss", self.glyphs) if state else (), total=state.total_steps if state else None
        )

    def paint(self, width: int, height: int) -> list[Line]:
        if self._summary is None:
            return []
        chart = max(12, width - FACTS - 2)
        left = super().paint(chart, height) if self._state is not None else [Line("reading …", "faint")]
        facts = self._facts(self._summary, self._state)
        lines = []
        for row in range(height):
            line = Line()
            if row < len(left):
                line.spans = list(left[row].spans)
            line.to(chart + 2)
            if row < len(facts):
                line.spans += facts[row].spans
            lines.append(line)
        return lines

    def _facts(self, row: Summary, state: RunState | None) -> list[Line]:
        def fact(name: str, value: str, ink: str = "strong") -> Line:
            return Line(name.ljust(11), "soft").add(value, ink)

        def change(before: str, after: str) -> str:
            return f"{before} {self.glyphs.to} {after}"

        lines = [
            fact(name, value.rsplit("/", 1)[-1] or self.glyphs.missing)
            for name, value in (("model", row.model), ("technique", row.technique), ("data", row.data))
        ]
        if row.loss_after is not None:
            better = row.loss_before is None or row.loss_after <= row.loss_before
            losses = change(real(row.loss_before), real(row.loss_after))
            lines.append(fact("eval loss", losses, "good" if better else "warning"))
            right = (row.match_after or 0) >= (row.match_before or 0)
            scores = change(percent(row.match_before), percent(row.match_after))
            lines.append(fact("match", scores, "good" if right else "warning"))
        elif row.loss is not None:
            lines.append(fact("loss", real(row.loss)))
        if state is not None:
            if row.status == "running" and state.eta.seconds is not None:
                lines.append(fact("remaining", duration(state.eta.seconds)))
            lines.append(fact("time", duration(state.seconds)))
            lines.append(fact("tokens", count(state.tokens)))
        if row.vitals.why:
            parts = wrapped(row.vitals.why, FACTS - 11, 3)
            lines += [fact("" if index else "reason", part, "soft") for index, part in enumerate(parts)]
        return lines
