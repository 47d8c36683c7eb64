"""The curves of a run as layers of a chart: one table of which there are, and how each is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.tui.widgets.plot import Layer

if TYPE_CHECKING:
    from tuiftune.runs.series import Series
    from tuiftune.runs.state import RunState
    from tuiftune.tui.glyphs import Glyphs


@dataclass(frozen=True, slots=True)
class Curve:
    key: str
    title: str
    floor: float | None = None


CURVES = (
    Curve("loss", "loss"),
    Curve("lr", "learning rate", 0.0),
    Curve("grad", "gradient norm", 0.0),
    Curve("speed", "tokens/s", 0.0),
)


def layers(state: RunState, key: str, glyphs: Glyphs) -> list[Layer]:
    """What is drawn for one curve, lowest layer first."""
    if key == "loss":
        found = [_layer(state.loss_curve, "raw", "dots"), _layer(state.smooth_curve, "good", "line")]
        found.append(_marks(state.eval_curve, "accent", glyphs.point))
        if state.best is not None and state.best.loss is not None:
            found.append(Layer([float(state.best.step)], [state.best.loss], "strong", "marks", glyphs.best))
        return found
    curve = {"lr": state.learning_rate_curve, "grad": state.grad_norm_curve, "speed": state.speed_curve}[key]
    return [_layer(curve, {"lr": "second", "grad": "accent"}.get(key, "c0"), "line")]


def load_history(state: RunState) -> tuple[str, list[Layer]]:
    """Title and layers of the load over the run's seconds, in per cent: each card's, else the processor's."""
    if state.gpu_curves:
        cards = sorted(state.gpu_curves.items())
        title = "GPU load, %" if len(cards) == 1 else f"load of {len(cards)} GPUs, %"
        return title, [_layer(curves.utilisation, f"c{index % 8}", "line") for index, curves in cards]
    return "processor load, %", [_layer(state.cpu_curve, "c0", "line")]


def _layer(curve: Series, ink: str, kind: str) -> Layer:
    points = curve.points()
    assert kind in {"line", "dots"}
    return Layer([x for x, _ in points], [y for _, y in points], ink, "line" if kind == "line" else "dots")


def _marks(curve: Series, ink: str, mark: str) -> Layer:
    points = curve.points()
    return Layer([x for x, _ in points], [y for _, y in points], ink, "marks", mark)
