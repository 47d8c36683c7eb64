"""What a run's steps measured: the latest values, their curves, and the smoothed loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.runs.health.divergence import Divergence
from tuiftune.runs.log.thin import MEANS, STANDS_FOR
from tuiftune.runs.state.eta import Pace
from tuiftune.runs.state.means import Means
from tuiftune.runs.state.readings import number, part, whole
from tuiftune.runs.state.series import Series

if TYPE_CHECKING:
    from tuiftune.runs.log.events import Event

SMOOTHING_SHARE = 0.02  # of the run's steps: the span of the smoothed loss …
SMOOTHING_STEPS = 5.0  # … but at least so many steps


@dataclass(slots=True)
class Steps:
    """The part of a run's state that `step` events make. Curves have the optimiser step as x."""

    total_steps: int | None = None
    seconds: float = 0.0  # in which it ran; the gap before a resume is left out
    pace: Pace = field(default_factory=Pace)

    step: int = 0
    epoch: float | None = None
    loss: float | None = None
    smooth_loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    data_wait: float | None = None  # share of the latest step that went into waiting for its rows
    not_a_number_at: int | None = None  # the first step whose loss or gradient was not a number

    divergence: Divergence = field(default_factory=Divergence)
    loss_curve: Series = field(default_factory=Series)
    smooth_curve: Series = field(default_factory=Series)
    eval_curve: Series = field(default_factory=Series)
    learning_rate_curve: Series = field(default_factory=Series)
    grad_norm_curve: Series = field(default_factory=Series)
    speed_curve: Series = field(default_factory=Series)
    loss_means: Means = field(default_factory=Means)
    grad_norm_means: Means = field(default_factory=Means)
    speed_means: Means = field(default_factory=Means)
    seconds_curve: Series = field(default_factory=Series)  # seconds of the run at each step
    tokens_curve: Series = field(default_factory=Series)  # tokens seen at each step
    data_wait_curve: Series = field(default_factory=lambda: Series(150))

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
        self.epoch = number(event, "epoch")
        self.loss = self._note(self.loss_curve, event, "loss")
        self.grad_norm = self._note(self.grad_norm_curve, event, "grad_norm")
        self.learning_rate = self._note(self.learning_rate_curve, event, "lr")
        self.tokens = whole(event, "tokens")
        self._note(self.tokens_curve, event, "tokens")
        self.seconds_curve.add(step, self.seconds)
        speed = self._note(self.speed_curve, event, "tokens_per_second")
        self.tokens_per_second = self.tokens_per_second if speed is None else speed
        self.data_wait = self._note(self.data_wait_curve, event, "data_wait")
        if self.not_a_number_at is None and ("loss_text" in event or "grad_norm_text" in event):
            self.not_a_number_at = step
        self.divergence.take(step, self.loss)
        means = part(event, MEANS) or event
        self._smooth(number(means, "loss"), stands_for)
        for course, key in ((self.grad_norm_means, "grad_norm"), (self.speed_means, "tokens_per_second")):
            if stands_for and (mean := number(means, key)) is not None:
                course.add(step, mean, stands_for)
        self.pace.note(self.seconds, step)

    def _note(self, curve: Series, event: Event, key: str) -> float | None:
        value = number(event, key)
        if value is not None:
            curve.add(self.step, value)
        return value

    def _smooth(self, loss: float | None, stands_for: int) -> None:
        """Exponential moving average; a step that stands for n steps weighs as n."""
        if loss is None or stands_for == 0:
            return
        self.loss_means.add(self.step, loss, stands_for)
        if self.smooth_loss is None:
            self.smooth_loss = loss
        else:
            span = max(SMOOTHING_STEPS, SMOOTHING_SHARE * (self.total_steps or 0))
            keep = (1 - 2 / (span + 1)) ** stands_for
            self.smooth_loss = keep * self.smooth_loss + (1 - keep) * loss
        self.smooth_curve.add(self.step, self.smooth_loss)

    def _by_step(self) -> tuple[Series, ...]:
        return (
            self.loss_curve,
            self.smooth_curve,
            self.eval_curve,
            self.learning_rate_curve,
            self.grad_norm_curve,
            self.speed_curve,
            self.seconds_curve,
            self.tokens_curve,
            self.data_wait_curve,
        )

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
