"""The state of a run, folded from its events: pure, incremental, bounded. Every view is a view of this."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuiftune.figures import real
from tuiftune.runs.log.columns import gpus_of
from tuiftune.runs.log.events import OLD_DETAILS, OLD_PHASES, is_preflight
from tuiftune.runs.log.thin import CAUSES, PARTIAL
from tuiftune.runs.state.eta import Pace
from tuiftune.runs.state.readings import (
    Checkpoint,
    End,
    Eta,
    Evaluation,
    Generated,
    GpuCurves,
    GpuReading,
    HostReading,
    LinksReading,
    MemoryReading,
    Phase,
    Score,
    Warned,
    gpu_reading,
    mark,
    number,
    part,
    text,
    whole,
)
from tuiftune.runs.state.series import Curves
from tuiftune.runs.state.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.log.events import Event

SAVING = "saving"  # the phase
KEPT = 200  # warnings, evaluations, checkpoints and controls that are remembered
NO_PHASE, NO_HOST, NO_MEMORY = Phase(""), HostReading(), MemoryReading()


@dataclass(slots=True)
class RunState(Steps):
    """What is known of a run from its log alone. Feed it each event once, in order: `fold`.

    Curves have the optimizer step as x (of GPUs and host: seconds of the run). Unknown event types are
    passed over; fields that are missing or of the wrong kind are None. Clock steps backwards count as no
    time.
    """

    run: str = ""
    model: str = ""
    technique: str = ""
    device: str = ""
    predicted_seconds: float | None = None  # of all steps, as planned
    epochs: float | None = None
    rows_train: int | None = None
    rows_eval: int | None = None
    rows_leaked: int | None = None  # evaluation rows that are training rows too
    trainable: int | None = None
    parameters: int | None = None
    resumed_from: int | str | None = None
    starts: int = 0

    phase: Phase = NO_PHASE
    phases: dict[str, float] = field(default_factory=dict)  # seconds spent in each, the first one first

    evaluations: deque[Evaluation] = field(default_factory=lambda: deque(maxlen=KEPT))
    best: Evaluation | None = None  # so far, by `best_by`; the base model's is the first
    best_by: str = ""  # the metric that chooses the best checkpoint; "": eval loss
    best_higher: bool = False
    eval_before: Evaluation | None = None
    eval_after: Evaluation | None = None
    score_before: Score | None = None
    score_after: Score | None = None
    samples_file: str = ""
    generated: deque[Generated] = field(default_factory=lambda: deque(maxlen=KEPT))

    gpus: tuple[GpuReading, ...] = ()
    gpu_curves: dict[int, GpuCurves] = field(default_factory=dict)
    host: HostReading = NO_HOST
    memory: MemoryReading = NO_MEMORY
    time_curves: Curves = field(default_factory=Curves)  # of memory and machine, over the seconds
    preflight: MemoryReading = NO_MEMORY  # measured on the longest rows before training
    links: LinksReading | None = None  # between the processes, if there are several

    warnings: deque[Warned] = field(default_factory=lambda: deque(maxlen=KEPT))
    checkpoints: deque[Checkpoint] = field(default_factory=lambda: deque(maxlen=KEPT))
    controls: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=KEPT))  # (what, by whom)
    end: End | None = None

    started_at: float | None = None  # t of the first event
    last_at: float | None = None  # t of the last event
    last_clock: float | None = None  # its clock, where it has one
    heartbeat_at: float | None = None
    seq: int = 0

    def fold(self, event: Event) -> None:
        """Take in one event."""
        kind = event.get("type")
        self._advance(event, restarted=self._restarts(event))
        if isinstance(kind, str) and (take := _FOLDS.get(kind)) is not None:
            take(self, event)

    @property
    def progress(self) -> float | None:
        """Share of the training steps that is done, 0–1; None while their number is not known."""
        if not self.total_steps:
            return None
        return min(1.0, self.step / self.total_steps)

    @property
    def eta(self) -> Eta:
        """What is left: as planned at first, then from the step times measured in this run."""
        if self.end is not None:
            return Eta(0.0, "ended")
        after = self.phases.get("scoring_before", 0.0)
        return self.pace.eta(self.step, self.total_steps, self.phase.name, after, self.predicted_seconds)

    @property
    def best_words(self) -> str:
        """The best value of the metric that chooses the best checkpoint, with its name; "" for eval loss."""
        if not self.best_by or self.best is None or self.best.value is None:
            return ""
        return f"{self.best_by.replace('_', ' ')} {real(self.best.value, 3)}"

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for and is not carried out yet."""
        return self.end is None and any(what == "stop" for what, _ in self.controls)

    @property
    def throttled(self) -> tuple[str, ...]:
        """Why GPUs run slower than they could, at the latest reading."""
        return tuple(dict.fromkeys(cause for gpu in self.gpus for cause in gpu.throttle))

    def _restarts(self, event: Event) -> bool:
        """Whether a new process begins here: the time since the last event was nobody's."""
        kind = event.get("type")
        fresh = kind == "phase" and event.get("name") == "loading" and self.phase.name != "loading"
        return self.end is not None or kind == "start" or (fresh and self.step > 0)

    def _advance(self, event: Event, restarted: bool) -> None:
        seq = event.get("seq")
        if isinstance(seq, int):
            self.seq = max(self.seq, seq)
        t = number(event, "t")
        if t is None:
            return
        if self.started_at is None:
            self.started_at = t
        clock = number(event, "clock")
        passed = 0.0 if restarted else self._passed(t, clock)
        self.last_clock = clock
        self.seconds += passed
        if self.phase.name:
            self.phases[self.phase.name] = self.phases.get(self.phase.name, 0.0) + passed
        self.last_at = t

    def _passed(self, t: float, clock: float | None) -> float:
        """Seconds since the last event: by the clock that nobody sets, where both events have it."""
        if clock is not None and self.last_clock is not None and clock >= self.last_clock:
            return clock - self.last_clock
        return 0.0 if self.last_at is None else max(0.0, t - self.last_at)

    def _start(self, event: Event) -> None:
        self.starts += 1
        self.run, self.model = text(event, "run"), text(event, "model")
        self.technique, self.device = text(event, "technique"), text(event, "device")
        self.total_steps, self.epochs = whole(event, "total_steps"), number(event, "epochs")
        self.predicted_seconds = number(event, "predicted_seconds")
        self.best_by, self.best_higher = text(event, "best_by"), bool(event.get("best_higher"))
        self.rows_train, self.rows_eval = whole(event, "rows_train"), whole(event, "rows_eval")
        self.rows_leaked = whole(event, "rows_leaked")
        self.trainable, self.parameters = whole(event, "trainable"), whole(event, "parameters")
        resumed = event.get("resumed_from")
        self.resumed_from = (
            whole(event, "resumed_from") if isinstance(resumed, int) else text(event, "resumed_from") or None
        )
        self.end, self.not_a_number_at = None, None
        self.values.pop("lr", None)  # it may have been changed
        self.divergence.total = self.total_steps or 0
        self._forget_evaluations(self.resumed_from if isinstance(self.resumed_from, int) else 0)
        self.controls.clear()
        self.pace = Pace()

    def _forget_evaluations(self, step: int) -> None:
        """Those after the checkpoint from which the run goes on will be made again."""
        kept = [seen for seen in self.evaluations if seen.when == "before" or seen.step <= step]
        self.evaluations = deque(kept, maxlen=KEPT)
        if self.best is not None and self.best.step > step:
            known = [seen for seen in kept if seen.loss is not None and seen.when != "after"]
            self.best = min(known, key=self._rank, default=None)

    def _rank(self, seen: Evaluation) -> tuple[bool, float, float]:
        """What of two evaluations the better one has the lower of."""
        value = 0.0 if seen.value is None else -seen.value if self.best_higher else seen.value
        return seen.value is None, value, seen.loss or 0.0

    def _phase(self, event: Event) -> None:
        self.end = None  # a successor is at work
        name = text(event, "name")
        name = OLD_PHASES.get(name, name)
        since = self.phase.since if name == self.phase.name else self.seconds
        detail = text(event, "detail")
        detail = OLD_DETAILS.get(detail, detail)
        self.phase = Phase(name, detail, whole(event, "done"), whole(event, "total"), since)
        self.phases.setdefault(name, 0.0)
        if name == SAVING:  # its checkpoint is told of once it is sealed, while further steps are made
            self._fence(self.step)

    def _eval(self, event: Event) -> None:
        step = whole(event, "step")
        step = self.step if step is None else step
        seen = Evaluation(
            step,
            number(event, "loss"),
            number(event, "perplexity"),
            text(event, "when") or "during",
            number(event, self.best_by) if self.best_by else None,
        )
        self.evaluations.append(seen)
        if seen.when == "before":
            self.eval_before = seen
        elif seen.when == "after":
            self.eval_after = seen
        if seen.when != "after":
            self._measure(event, "eval", step)
        if seen.loss is None:
            return
        if seen.when != "after":
            self.divergence.evaluate(step, seen.loss, before=seen.when == "before")
        if seen.when != "after" and (
            self.best is None or self.best.loss is None or self._rank(seen) < self._rank(self.best)
        ):
            self.best = seen

    def _score(self, event: Event) -> None:
        score = Score(
            whole(event, "step") or 0,
            text(event, "when"),
            number(event, "exact_match"),
            whole(event, "matched"),
            whole(event, "rows"),
        )
        if score.when == "before":
            self.score_before = score
        else:
            self.score_after = score

    def _samples(self, event: Event) -> None:
        if text(event, "when") == "during":
            step = whole(event, "step")
            found = Generated(
                self.step if step is None else step, whole(event, "count"), number(event, "seconds")
            )
            self.generated.append(found)
        else:
            self.samples_file = text(event, "file")

    def _gpu(self, event: Event) -> None:
        mark(self.time_curves, "gpu", event, self.seconds)
        partial = bool(event.get(PARTIAL))
        training = self.phase.name == "training" and self.pace.seconds_per_step is not None
        readings = []
        for gpu in gpus_of(event):
            readings.append(reading := gpu_reading(gpu))
            curves = self.gpu_curves.setdefault(reading.index, GpuCurves())
            told = part(gpu, CAUSES) if partial else dict.fromkeys(reading.throttle, 1)
            causes = {str(name): whole(told, name) or 0 for name in told}
            curves.mark(self.seconds, gpu, causes, bool(reading.throttle) or (None if partial else False))
            if training and not partial:
                curves.latest.append(reading)
        if partial:
            return
        self.gpus = tuple(readings)
        self.host = HostReading(
            number(event, "cpu"),
            number(event, "host_memory_used"),
            number(event, "host_memory_total"),
            number(event, "disk_free"),
            number(event, "process_memory"),
        )

    def _memory(self, event: Event) -> None:
        reading = MemoryReading(
            number(event, "allocated"),
            number(event, "reserved"),
            number(event, "device"),
            number(event, "predicted"),
            number(event, "predicted_allocated"),
            number(event, "predicted_reserved"),
        )
        mark(self.time_curves, "memory", event, self.seconds)
        if event.get(PARTIAL):
            return
        self.memory = reading
        if is_preflight(event):
            self.preflight = self.memory

    def _links(self, event: Event) -> None:
        hosts, direct = event.get("hosts"), event.get("peer_access")
        self.links = LinksReading(
            whole(event, "processes") or 1,
            len(hosts) if isinstance(hosts, list) else 1,
            text(event, "backend"),
            number(event, "bytes_per_second"),
            number(event, "expected"),
            direct if isinstance(direct, bool) else None,
        )

    def _checkpoint(self, event: Event) -> None:
        step = whole(event, "step") or 0
        self._fence(step)
        self.checkpoints.append(
            Checkpoint(
                step,
                text(event, "path"),
                whole(event, "bytes"),
                number(event, "seconds"),
            )
        )

    def _warning(self, event: Event) -> None:
        warned = Warned(text(event, "code"), text(event, "message"), text(event, "remedy"), self.step)
        for index, seen in enumerate(self.warnings):
            if (seen.code, seen.message) == (warned.code, warned.message):
                self.warnings[index] = replace(seen, times=seen.times + 1, step=self.step)
                return
        self.warnings.append(warned)

    def _heartbeat(self, event: Event) -> None:
        self.heartbeat_at = number(event, "t")

    def _control(self, event: Event) -> None:
        self.controls.append((text(event, "what"), text(event, "by")))

    def _end(self, event: Event) -> None:
        code = whole(event, "exit_code")
        self.end = End(
            text(event, "state"), 1 if code is None else code, text(event, "why"), self.last_at or 0.0
        )


_FOLDS: dict[str, Callable[[RunState, Event], None]] = {
    "start": RunState._start,
    "phase": RunState._phase,
    "step": RunState.take_step,
    "eval": RunState._eval,
    "score": RunState._score,
    "samples": RunState._samples,
    "gpu": RunState._gpu,
    "memory": RunState._memory,
    "links": RunState._links,
    "checkpoint": RunState._checkpoint,
    "warning": RunState._warning,
    "heartbeat": RunState._heartbeat,
    "control": RunState._control,
    "end": RunState._end,
}
