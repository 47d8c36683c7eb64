"""What the commands that evaluate print."""

from __future__ import annotations

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document, Object, Share


class Task(TypedDict):
    kind: str
    why: str


class Evaluated(TypedDict):
    """One model on the rows. `main`: the metric of `scores` that decides."""

    name: str
    rows: int
    without_answer: int
    exact_match: Share | None
    interval: list[float] | None
    main: str
    scores: dict[str, Object]
    labels: Object | None
    usage: Object


class Compared(TypedDict):
    """The first model's score minus the other's, with its 95% confidence interval."""

    value: float
    interval: list[float] | None
    p: float | None
    test: str
    smallest_detectable: float | None
    rows: int


class EvaluateDocument(Document):
    """`tuiftune evaluate --json`. `differences` by metric, empty without --against."""

    data: str
    task: Task
    evaluation: Evaluated
    against: Evaluated | None
    differences: dict[str, Compared]
    notes: list[str]


class Counted(TypedDict):
    train: int
    evaluation: int
    test: int


class Chosen(TypedDict):
    """`chosen` and `reference` are null where the rows show no signal."""

    action: str
    chosen: str | None
    best: str
    reference: str | None
    difference: Compared | None
    says: str
    rows_used: str


class Skipped(TypedDict):
    key: str
    why: str


class DecideDocument(Document):
    """`tuiftune decide --json`."""

    task: Task
    rows: Counted
    decision: Chosen
    candidates: list[Object]
    most_common_answer: Object
    skipped: list[Skipped]
    break_even_answers: float | None
    notes: list[str]
    failed: bool
    seconds: float
