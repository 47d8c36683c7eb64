"""What the commands about runs print, and what a run writes."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuiftune.plan.model import Reason
from tuiftune.runs.provenance import Difference, Provenance
from tuiftune.runs.reports.compare import Pair
from tuiftune.schemas.common import Document, Object, Score, Share, State


class RunSeen(TypedDict):
    """A run at a glance. `exit_code` is null until it has ended; times in UTC seconds."""

    name: str
    path: str
    state: State
    why: str
    exit_code: int | None
    pid: int | None
    silent_for: float | None
    step: int
    total_steps: int | None
    progress: Share | None
    before: Score
    after: Score
    created: float
    active: float


class RunsDocument(Document):
    """`tuiftune runs --json`."""

    runs: list[RunSeen]


class Queued(TypedDict):
    name: str
    path: str
    position: int
    keep_alive: bool


class QueueDocument(Document):
    """`tuiftune queue --json`. `served`: a process starts the next run when its GPU is free."""

    waiting: list[Queued]
    served: bool


class StatusDocument(Document, RunSeen):
    """`tuiftune status RUN --json`. `resumable`: `tuiftune resume` can continue it."""

    resumable: bool


class TrainDocument(Document, RunSeen):
    """`tuiftune train|resume --json`: the run as it stands when the command returns."""

    resumable: bool


class StopDocument(Document, RunSeen):
    """`tuiftune stop --json`. `asked`: null where it did not run."""

    asked: Literal["stop", "kill"] | None
    resumable: bool


class Verdict(TypedDict):
    """Change of the eval loss with its 95% confidence interval."""

    better: bool | None
    says: str
    fix: str
    loss_change: float | None
    loss_interval: list[float] | None


class ResultDocument(Document):
    """`result/result.json` of a run."""

    before: Score
    after: Score
    verdict: Verdict
    best_step: int | None
    result_step: int | None
    best_by: NotRequired[str]  # where the best checkpoint was not chosen by eval loss
    best_value: NotRequired[float | None]
    course: NotRequired[list[list[float]]]  # of that metric: step, value
    steps: int
    seconds: float
    tokens: int
    samples: list[Object]
    model: str
    technique: str
    trainable: int
    parameters: int
    preflight: Object | None
    provenance: Provenance


class DataUsed(TypedDict):
    files: list[str]
    format: str
    rows: int | None
    rows_eval: int | None


class Warned(TypedDict):
    code: str
    message: str
    remedy: str
    times: int


class ReportDocument(Document, RunSeen):
    """`tuiftune report RUN --json`. `result` and `provenance` are null before there are any."""

    model: str
    technique: str
    seconds: float
    data: DataUsed
    settings: list[Reason]
    warnings: list[Warned]
    result: Object | None
    provenance: Provenance | None


class Setting(TypedDict):
    key: str
    values: list[Any]


class Best(TypedDict):
    """The lowest eval loss, and the step it was measured at."""

    loss: float | None
    step: int | None


class RunCompared(TypedDict):
    """Bytes, seconds, US dollars. `loss`: of training, smoothed; `metrics`: others, smoothed at the end."""

    name: str
    path: str
    state: State
    model: str
    technique: str
    device: str
    step: int
    total_steps: int | None
    loss: float | None
    before: Score
    after: Score
    best: Best
    tokens: int | None
    tokens_per_second: float | None
    seconds: float
    memory_peak: float | None
    memory_predicted: float | None
    usd_per_hour: float | None
    usd: float | None
    metrics: dict[str, float | None]


class CompareDocument(Document):
    """`tuiftune compare --json`."""

    runs: list[RunCompared]
    settings: list[Setting]
    pairs: list[Pair]
    remarks: list[str]


class FileCompared(TypedDict):
    name: str
    then: str | None
    now: str | None
    same: bool


class StepCompared(TypedDict):
    step: int
    then: float | None
    now: float | None


class ReproduceDocument(Document):
    """`tuiftune reproduce RUN --json`. `identical` is null with --check: nothing was run.

    `differences`: what is not as it was then. `files`: SHA-256 of the weights written.
    """

    run: str
    again: str | None
    differences: list[Difference]
    identical: bool | None
    steps: int | None
    first_difference: StepCompared | None
    files: list[FileCompared]
    state: NotRequired[State]
    exit_code: NotRequired[int | None]


class EventDocument(TypedDict):
    """A line of events.jsonl and of `tuiftune watch --json`; further keys by type. `t` in UTC seconds."""

    type: str
    v: NotRequired[int]
    seq: NotRequired[int]
    t: NotRequired[float]
    clock: NotRequired[float]
