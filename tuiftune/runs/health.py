"""What a practised eye would remark on a run's curves and cards. Pure rules on a `RunState`, each with its
remedy.

The thresholds are rules of thumb, named and in one place; none stops a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.runs.series import Series
    from tuiftune.runs.state import RunState

EVALUATIONS_RISING = 2  # in a row above the best, while the training loss goes on falling: overfitting
RISE = 0.01  # of the best held-out loss; less is noise
PLATEAU_SHARE = 0.3  # the last part of the run in which a falling loss should have moved …
PLATEAU_FALL = 0.005  # … by at least this share
ENOUGH_POINTS = 20
SPIKE = 3.0  # times the median of the steps before and of those after it
SPIKE_AROUND = 8
SPIKES_RECENT = 100  # steps looked back
EXPLODED = 2.0  # smoothed loss now over its lowest
MEMORY_USED_LITTLE = 0.6  # of the card, at most: room for a larger micro batch
MEMORY_NEARLY_FULL = 0.97
UTILISATION_LOW = 60.0  # per cent, median
READINGS = 10
HOST_MEMORY_NEARLY_FULL = 0.93
DISK_LOW_BYTES = 2 * 1024**3
SAMPLES_MEMORISED = 0.05  # training loss of an answer that is known by heart


@dataclass(frozen=True, slots=True)
class Remark:
    """One observation. `code` is stable; `words` say what is seen; `remedy` what can be done."""

    code: str
    severity: Literal["info", "warning", "error"]
    words: str
    remedy: str


def remarks(state: RunState) -> list[Remark]:
    """All that is worth a remark now, the most serious first."""
    order = {"error": 0, "warning": 1, "info": 2}
    found = [remark for rule in RULES for remark in rule(state)]
    return sorted(found, key=lambda remark: order[remark.severity])


def _not_a_number(state: RunState) -> Iterator[Remark]:
    if state.not_a_number_at is not None:
        yield Remark(
            "nan",
            "error",
            f"loss or gradient was not a number at step {state.not_a_number_at}",
            "lower training.learning_rate, use bfloat16 in place of float16, look at the rows of that step",
        )


def _overfitting(state: RunState) -> Iterator[Remark]:
    best = state.best
    if best is None or best.loss is None:
        return
    later = [seen.loss for seen in state.evaluations if seen.when == "during" and seen.step > best.step]
    rising = [loss for loss in later if loss is not None and loss > best.loss * (1 + RISE)]
    at_best = _value_at(state.smooth_curve, best.step)
    falling = at_best is not None and state.smooth_loss is not None and state.smooth_loss < at_best
    if len(rising) >= EVALUATIONS_RISING and falling:
        yield Remark(
            "overfitting",
            "warning",
            f"held-out loss was best at step {best.step} ({best.loss:.4g}) and has risen since to "
            f"{rising[-1]:.4g}, while training loss falls",
            "the best step is kept; next time fewer epochs, a lower rank or learning rate, or more rows",
        )


def _plateau(state: RunState) -> Iterator[Remark]:
    points = state.smooth_curve.points()
    progress = state.progress
    if len(points) < ENOUGH_POINTS or progress is None or not 0.2 <= progress < 0.9 or state.loss is None:
        return
    since = state.step * (1 - PLATEAU_SHARE)
    before = _value_at(state.smooth_curve, since)
    now = points[-1][1]
    if before and now > SAMPLES_MEMORISED and abs(before - now) < PLATEAU_FALL * before:
        yield Remark(
            "plateau",
            "info",
            f"training loss has hardly moved since step {since:.0f} ({before:.4g} → {now:.4g})",
            "more steps will bring little; a higher learning rate or rank may",
        )


def _spikes(state: RunState) -> Iterator[Remark]:
    points = [point for point in state.loss_curve if point[0] > state.step - SPIKES_RECENT]
    losses = [loss for _, loss in points]
    peaks = []
    for place in range(SPIKE_AROUND, len(points) - SPIKE_AROUND):
        usual = max(median(losses[place - SPIKE_AROUND : place]), median(losses[place + 1 :][:SPIKE_AROUND]))
        if losses[place] > SPIKE * usual > 0:
            peaks.append((losses[place], points[place][0], usual))
    if peaks:
        loss, step, usual = max(peaks)
        yield Remark(
            "spike",
            "info",
            f"loss jumped to {loss:.4g} at step {step:.0f} (usual: {usual:.4g})",
            "one spike mends itself; repeated ones ask for a lower learning rate or a look at the rows",
        )


def _explosion(state: RunState) -> Iterator[Remark]:
    lowest = state.smooth_curve.lowest
    if len(state.smooth_curve) < ENOUGH_POINTS or lowest is None or state.smooth_loss is None:
        return
    if lowest > SAMPLES_MEMORISED and state.smooth_loss > EXPLODED * lowest:
        yield Remark(
            "exploding",
            "warning",
            f"training loss has risen from {lowest:.4g} to {state.smooth_loss:.4g}",
            "stop it, lower training.learning_rate (a third), and start again",
        )


def _cards(state: RunState) -> Iterator[Remark]:
    for gpu in state.gpus:
        curves = state.gpu_curves.get(gpu.index)
        if curves is None or len(curves.memory) < READINGS or state.phase.name != "training":
            continue
        highest = curves.memory.highest
        if highest is not None and gpu.memory_total and not state.end:
            share = highest / gpu.memory_total
            if share < MEMORY_USED_LITTLE:
                yield Remark(
                    "memory_unused",
                    "info",
                    f"GPU {gpu.index} uses at most {share:.0%} of its memory",
                    "a larger micro batch or no checkpointing may run faster: `tuiftune plan` compares",
                )
            elif share > MEMORY_NEARLY_FULL:
                yield Remark(
                    "memory_tight",
                    "warning",
                    f"GPU {gpu.index} is {share:.0%} full",
                    "a longer row may not fit; a smaller micro batch or data.max_length leaves room",
                )
        busy = curves.utilisation.values()[-READINGS:]
        if len(busy) >= READINGS and median(busy) < UTILISATION_LOW:
            yield Remark(
                "gpu_idle",
                "info",
                f"GPU {gpu.index} is busy only {median(busy):.0f} % of the time",
                "a larger micro batch or packing keeps it busier",
            )


def _throttled(state: RunState) -> Iterator[Remark]:
    causes = [cause for cause in state.throttled if "idle" not in cause.lower()]
    if causes and state.end is None:
        yield Remark(
            "throttled",
            "warning",
            f"a card runs below its clock: {', '.join(causes)}",
            "cooling or the power limit holds it back; nothing is wrong with the run, it only takes longer",
        )


def _host(state: RunState) -> Iterator[Remark]:
    host = state.host
    if state.end is not None:
        return
    if (
        host.memory_used
        and host.memory_total
        and host.memory_used / host.memory_total > HOST_MEMORY_NEARLY_FULL
    ):
        yield Remark(
            "host_memory",
            "warning",
            f"the machine's memory is {host.memory_used / host.memory_total:.0%} full",
            "the system may kill the run; end other programs",
        )
    if host.disk_free is not None and host.disk_free < DISK_LOW_BYTES:
        yield Remark(
            "disk",
            "warning",
            f"only {host.disk_free / 1024**3:.1f} GiB of disk are free",
            "free some, or the next checkpoint can't be written",
        )


def _value_at(curve: Series, step: float) -> float | None:
    """The last value at or before `step`."""
    value = None
    for x, y in curve:
        if x > step:
            break
        value = y
    return value


RULES: tuple[Callable[[RunState], Iterator[Remark]], ...] = (
    _not_a_number,
    _explosion,
    _overfitting,
    _throttled,
    _host,
    _cards,
    _spikes,
    _plateau,
)
