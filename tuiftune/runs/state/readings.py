"""The values a folded state holds, and reading fields of events that may be damaged or newer than us."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuiftune import metrics
from tuiftune.printable import printable
from tuiftune.runs.state.series import Curves

MOST = 1e18  # what no measurement reaches
FAR_BELOW = 0.5  # of the bandwidth that the plan counts on
GPU_LATEST = 30  # readings: a minute of them


@dataclass(frozen=True, slots=True)
class Phase:
    """What the engine is at. `done` of `total` in its own units; `since` in seconds of the run."""

    name: str
    detail: str = ""
    done: int | None = None
    total: int | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out loss. `when` is before, during or after; `perplexity` is exp(loss); `value`: of the metric
    that chooses the best checkpoint, where that is another.
    """

    step: int
    loss: float | None
    perplexity: float | None
    when: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Generated answers against references: `matched` of `rows` exactly."""

    step: int
    when: str
    exact_match: float | None
    matched: int | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    step: int
    path: str
    bytes: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning of the engine, with its remedy. `times` counts repeats of the same code and message."""

    code: str
    message: str
    remedy: str
    step: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class End:
    """How it ended: one of `events.END_STATES`."""

    state: str
    exit_code: int
    why: str
    t: float


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one moment, as the engine saw it. Bytes, watts, °C, utilization 0–100; None: not known."""

    index: int
    name: str
    utilisation: float | None
    memory_used: float | None
    memory_total: float | None
    power_w: float | None
    temperature_c: float | None
    throttle: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostReading:
    """CPU in per cent, the rest in bytes; None where not known."""

    cpu: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    disk_free: float | None = None
    process_memory: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes of GPU memory: measured by the trainer, and predicted by the plan.

    `allocated` and `reserved` are PyTorch's peaks, `device` is all of the GPU now (without a GPU, all of
    the process). `predicted` belongs to `device`, the others say what they belong to.
    """

    allocated: float | None = None
    reserved: float | None = None
    device: float | None = None
    predicted: float | None = None
    predicted_allocated: float | None = None
    predicted_reserved: float | None = None

    @property
    def pair(self) -> tuple[str, float, float | None] | None:
        """The figure that is best compared: its name, measured and predicted bytes."""
        if self.reserved:
            return "reserved", self.reserved, self.predicted_reserved
        return ("device", self.device, self.predicted) if self.device else None


@dataclass(frozen=True, slots=True)
class LinksReading:
    """What lies between the processes of a run, measured before its first step, in bytes a second.

    `expected`: what the plan counts on; `direct`: whether GPUs read each other's memory. None: not known.
    """

    processes: int = 1
    hosts: int = 1
    backend: str = ""
    rate: float | None = None
    expected: float | None = None
    direct: bool | None = None

    @property
    def slow(self) -> bool:
        """Return True if it is far below what the plan counts on."""
        return bool(self.expected) and self.rate is not None and self.rate < FAR_BELOW * (self.expected or 0)


@dataclass(frozen=True, slots=True)
class Generated:
    """Answers that were generated for a few fixed evaluation rows during training; `seconds` it took."""

    step: int
    count: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Eta:
    """Seconds still to go, and in words what that rests on; None while nothing supports a figure."""

    seconds: float | None
    basis: str

    @property
    def predicted(self) -> bool:
        """Whether it is the plan's word, not yet a measurement."""
        return self.basis.startswith("predicted")


@dataclass(slots=True)
class GpuCurves:
    """A GPU's history over the seconds of the run, a curve for each metric; `throttle` is 1 where it was
    throttled and 0 where not."""

    curves: Curves = field(default_factory=Curves)
    causes: dict[str, int] = field(default_factory=dict)  # readings by cause of throttling
    latest: deque[GpuReading] = field(default_factory=lambda: deque(maxlen=GPU_LATEST))  # while training

    def mark(
        self, seconds: float, gpu: Mapping[str, Any], causes: Mapping[str, int], slowed: bool | None
    ) -> None:
        """Put what is known of a reading on the curves; `causes` counts the readings that it stands for."""
        mark(self.curves, "card", gpu, seconds)
        if slowed is not None:
            self.curves.add(metrics.BY_FIELD["card", "throttle"], seconds, float(slowed))
        for cause, times in causes.items():
            self.causes[cause] = self.causes.get(cause, 0) + times


def mark(curves: Curves, kind: str, event: Mapping[str, Any], seconds: float) -> None:
    """Add the numbers of an event to the curves of those metrics that are drawn over time."""
    for metric in metrics.of(kind):
        value = number(event, metric.key) if metric.chart else None
        if value is not None:
            curves.add(metric, seconds, value)


def number(event: Mapping[str, Any], key: str) -> float | None:
    """A finite number, or None for anything else."""
    value = event.get(key)
    if type(value) is float or type(value) is int:
        return float(value) if -MOST <= value <= MOST else None  # false for what is not a number
    return None


def part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The section of that name; empty for anything else."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def whole(event: Mapping[str, Any], key: str) -> int | None:
    value = number(event, key)
    return None if value is None else int(value)


def text(event: Mapping[str, Any], key: str) -> str:
    """A string that is safe to show; "" when there is none."""
    value = event.get(key)
    return "" if value is None else printable(str(value))


def gpu_reading(document: Mapping[str, Any]) -> GpuReading:
    """One entry of a `gpu` event's `gpus`."""
    throttle = document.get("throttle")
    return GpuReading(
        index=whole(document, "index") or 0,
        name=text(document, "name"),
        utilisation=number(document, "utilisation"),
        memory_used=number(document, "memory_used"),
        memory_total=number(document, "memory_total"),
        power_w=number(document, "power_w"),
        temperature_c=number(document, "temperature_c"),
        throttle=tuple(printable(str(cause)) for cause in throttle) if isinstance(throttle, list) else (),
    )
