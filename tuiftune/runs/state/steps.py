"""What a run's steps measured: the latest values, their curves, and the smoothed loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune import metrics
from tuiftune.runs.health.divergence import Divergence
from tuiftune.runs.log.thin import MEANS, STANDS_FOR
from tuiftune.runs.state.eta import Pace
from tuiftune.runs.state.means import Means, smoothed
from tuiftune.runs.state.readings import number, part, whole
from tuiftune.runs.state.series import Curves, Series

if TYPE_CHECKING:
    from tuiftune.metrics.metric import Metric
    from tuiftune.runs.log.events import Event

SMOOTHING_SHARE = 0.02  # of the run's steps: the span of the smoothed loss …
SMOOTHING_STEPS = 5.0  # … but at least so many steps


@dataclass(slots=True)
class Steps:
    """The part of a run's state that `step` events make. Curves have the optimizer step as x."""

    total_steps: int | None = None
    seconds: float = 0.0  # in which it ran; the gap before a resume is left out
    pace: Pace = field(default_factory=Pace)

    step: int = 0
    values: dict[str, float | None] = field(default_factory=dict)  # of each metric, by name: the latest
    curves: Curves = field(default_factory=Curves)  # of each metric of steps and evaluations
    means: dict[str, Means] = field(default_factory=dict)  # of those that are drawn smoothed
    unregistered: dict[str, Metric] = field(default_factory=dict)
    smooth_loss: float | None = None
    not_a_number_at: int | None = None  # the first step whose loss or gradient was not a number

    divergence: Divergence = field(default_factory=Divergence)
    smooth_curve: Series = field(default_factory=Series)
    seconds_curve: Series = field(default_factory=Series)  # seconds of the run at each step

    @property
    def loss(self) -> float | None:
        """Training loss of the latest step."""
        return self.values.get("loss")

    @property
    def tokens(self) -> int | None:
        """Tokens trained on so far."""
        seen = self.values.get("tokens")
        return None if seen is None else int(seen)

    def metrics(self) -> tuple[Metric, ...]:
        """All that there are of this run: those that are registered, then the others by name."""
        others = self.unregistered
        return (*metrics.METRICS, *(others[name] for name in sorted(others)))

    def smooth(self, name: str) -> float | None:
        """The moving average of a metric at the latest step, over as many steps as the loss's."""
        means = self.means.get(name)
        course = smoothed(means.points(), self._span) if means else []
        return course[-1][1] if course else None

    @property
    def _span(self) -> float:
        return max(SMOOTHING_STEPS, SMOOTHING_SHARE * (self.total_steps or 0))

    def take_step(self, event: Event) -> None:
        """A step that was done; one that was seen before begins a repetition."""
        step = whole(event, "step")
        if step is None:
            return
        if step <= self.step:
            self._rewind(step)
        told = whole(event, STANDS_FOR)
        stands_for = max(1, step - self.step) if told is None else told
        self.step = step
        self.seconds_curve.add(step, self.seconds)
        self._measure(event, "step", step)
        if self.not_a_number_at is None and any(f"{key}_text" in event for key in metrics.VITAL):
            self.not_a_number_at = step
        means = part(event, MEANS) or event
        for key in means if stands_for else ():
            metric = metrics.find("step", key)
            if metric is None or not metric.smoothed or metric.name not in self.curves:
                continue
            if (mean := number(means, key)) is not None:
                self.means.setdefault(metric.name, Means()).add(step, mean, stands_for)
        self.divergence.take(step, self.loss)
        self._smooth(number(means, "loss"), stands_for)
        self.pace.note(self.seconds, step)

    def _measure(self, event: Event, kind: str, step: int) -> None:
        """Take in the numbers of an event. A metric that it does not name keeps its latest value."""
        for key in event:
            metric = metrics.find(kind, key)
            if metric is None:
                continue
            value = number(event, key)
            if not metric.registered and metric.name not in self.unregistered:
                if value is None or len(self.unregistered) >= metrics.MOST_UNREGISTERED:
                    continue
                self.unregistered[metric.name] = metric
            if value is not None:
                self.curves.add(metric, step, value)
            self.values[metric.name] = value

    def _smooth(self, loss: float | None, stands_for: int) -> None:
        """Exponential moving average; a step that stands for n steps weighs as n."""
        if loss is None or stands_for == 0:
            return
        if self.smooth_loss is None:
            self.smooth_loss = loss
        else:
            keep = (1 - 2 / (self._span + 1)) ** stands_for
            self.smooth_loss = keep * self.smooth_loss + (1 - keep) * loss
        self.smooth_curve.add(self.step, self.smooth_loss)

    def _by_step(self) -> tuple[Series, ...]:
        return (self.smooth_curve, self.seconds_curve, *self.curves.values())

    def _fence(self, step: int) -> None:
        """A checkpoint: a resume drops what comes behind it, and nothing before."""
        for curve in self._by_step():
            curve.fence(step)

    def _rewind(self, step: int) -> None:
        """A resume from a checkpoint repeats steps: what was seen of them is replaced, not drawn twice."""
        for curve in self._by_step():
            curve.rewind(step)
        self.smooth_loss = self.smooth_curve.last[1] if self.smooth_curve.last else None
        self.step = step - 1
        self.pace = Pace()
