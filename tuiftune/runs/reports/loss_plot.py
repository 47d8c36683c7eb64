"""The loss of a run drawn as SVG: training loss, its smoothed course, and the eval loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.runs.state.run_state import RunState

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44
TICKS = 5
# Blue, orange: told apart with any color vision (Okabe and Ito), and by their form.
TRAIN, EVAL, MUTED = "#0072B2", "#D55E00", "#767676"
LOG_ABOVE = 20.0  # highest ÷ lowest from which the y axis is logarithmic

Points = list[tuple[float, float]]


def loss_svg(state: RunState, title: str) -> str:
    """An SVG document; says so in words where there is nothing to draw yet."""
    raw, smooth, held = (
        curve.points() for curve in (state.curves["loss"], state.smooth_curve, state.curves["eval_loss"])
    )
    every = [*raw, *held]
    if not every:
        return _document(title, [_text(WIDTH / 2, HEIGHT / 2, "no step was logged", anchor="middle")])
    axes = _Axes(every)
    parts = axes.grid()
    parts.append(_path(axes, raw, TRAIN, width=1, opacity=0.35))
    parts.append(_path(axes, smooth, TRAIN, width=2))
    parts.append(_path(axes, held, EVAL, width=2, dash="6 4"))
    parts += [_dot(axes, point) for point in held] if len(held) <= 60 else []
    best = state.best
    if best is not None and best.loss is not None:
        x, y = axes.place(best.step, best.loss)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="{EVAL}" stroke-width="2"/>'
        )
    parts += _legend(bool(held), best is not None)
    return _document(title, parts)


class _Axes:
    """Where a step and a loss lie on the paper."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        steps, losses = [x for x, _ in points], [y for _, y in points]
        self.first, self.last = min(steps), max(max(steps), min(steps) + 1)
        low, high = min(losses), max(losses)
        self.log = low > 0 and high / low > LOG_ABOVE
        room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        self.low, self.high = (
            (low / 1.1, high * 1.1) if self.log else (min(low, max(0, low - room)), high + room)
        )

    def place(self, step: float, loss: float) -> tuple[float, float]:
        across = (step - self.first) / (self.last - self.first)
        if self.log:
            up = math.log(loss / self.low) / math.log(self.high / self.low)
        else:
            up = (loss - self.low) / (self.high - self.low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        parts = []
        for loss in self._losses():
            _, y = self.place(self.first, loss)
            parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(_text(LEFT - 8, y + 4, f"{loss:.3g}", anchor="end"))
        for step in _round(self.first, self.last, 1.0):
            x, _ = self.place(step, self.high)
            parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{step:,.0f}", anchor="middle"))
        words = "loss (logarithmic)" if self.log else "loss"
        parts.append(_text(LEFT, TOP - 8, words))
        parts.append(_text(WIDTH - RIGHT, HEIGHT - 8, "optimizer step", anchor="end"))
        return parts

    def _losses(self) -> list[float]:
        if self.log:
            return [self.low * (self.high / self.low) ** (tick / TICKS) for tick in range(TICKS + 1)]
        return _round(self.low, self.high)


def _round(first: float, last: float, least: float = 0.0) -> list[float]:
    """Round numbers over the range, about `TICKS` of them, at least `least` apart."""
    rough = (last - first) / TICKS
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    unit = max(least, next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999))
    start = math.ceil(first / unit) * unit
    return [start + unit * index for index in range(int((last - start) / unit) + 1)]


def _path(
    axes: _Axes, points: Points, color: str, *, width: int, opacity: float = 1.0, dash: str = ""
) -> str:
    if len(points) < 2:
        return ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (axes.place(*point) for point in points))
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}"{dashes}/>'
    )


def _dot(axes: _Axes, point: tuple[float, float]) -> str:
    x, y = axes.place(*point)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{EVAL}"/>'


def _legend(held: bool, best: bool) -> list[str]:
    entries = [("training, each step (pale) and smoothed", TRAIN, "")]
    if held:
        entries.append(("evaluation" + (", best ringed" if best else ""), EVAL, "6 4"))
    parts = []
    x = LEFT + 130.0
    for words, color, dash in entries:
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        line = f'<line x1="{x}" y1="{TOP - 12}" x2="{x + 24}" y2="{TOP - 12}" stroke="{color}"'
        parts.append(f'{line} stroke-width="2"{dashes}/>')
        parts.append(_text(x + 30, TOP - 8, words))
        x += 44 + 6.2 * len(words)
    return parts


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{MUTED}">{escape(words)}</text>'


def _document(title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img">'
    )
    back = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", back, *filter(None, parts), "</svg>"]) + "\n"
