"""The latest values of the metrics, each with its recent course."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import count, percent, real
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.glyphs import sparkline

if TYPE_CHECKING:
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.series import Series

LABEL = 10
VALUE = 8


class Numbers(Canvas):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._state: RunState | None = None

    def show(self, state: RunState) -> None:
        self._state = state
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        state = self._state
        if state is None:
            return []
        rows = []
        for metric in state.metrics():
            if not metric.dashboard or not (metric.always or metric.name in state.values):
                continue
            curve, value = state.curves[metric.name], state.values.get(metric.name)
            if metric.name == "loss":
                curve, value = state.smooth_curve, state.smooth_loss
            written = metric.written(value, metric.digits)
            rows.append(
                self._row(metric.label, written, curve, width, metric.spark or metric.ink, metric.floor)
            )
            if metric.name == "eval_loss":
                rows.append(self._row("best eval", self._best(state), None, width))
        rows += [
            self._row("tokens", count(state.tokens), None, width),
            self._row("epoch", self._epoch(state), None, width),
        ]
        if state.rows_train is not None:
            held = f" + {count(state.rows_eval)} eval" if state.rows_eval is not None else ""
            rows.append(self._row("rows", f"{count(state.rows_train)}{held}", None, width))
        if state.trainable is not None and state.parameters:
            share = percent(state.trainable / state.parameters, 1)
            rows.append(self._row("trainable", f"{count(state.trainable)} params, {share}", None, width))
        return rows[: max(height, 1)]

    def _best(self, state: RunState) -> str:
        if state.best is None:
            return real(None)
        where = "base model" if state.best is state.eval_before else f"step {state.best.step:,}"
        return f"{state.best_words or real(state.best.loss)} {self.glyphs.best} {where}"

    def _epoch(self, state: RunState) -> str:
        if state.values.get("epoch") is None:
            return real(None)
        return f"{state.values.get('epoch'):.2f}" + (f" of {state.epochs:g}" if state.epochs else "")

    def _row(
        self,
        name: str,
        value: str,
        curve: Series | None,
        width: int,
        ink: str = "strong",
        floor: float | None = None,
    ) -> Line:
        if len(name) >= LABEL:
            name = name[: LABEL - 1 - len(self.glyphs.more)] + self.glyphs.more
        line = Line(name.ljust(LABEL), "soft").add(value.ljust(VALUE), "strong")
        room = width - line.width - 1
        if curve is not None and len(curve) > 1 and room >= 4:
            line.add(" ").add(sparkline(self.glyphs, curve.values(), min(room, 32), floor), ink)
        return line
