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


class BenchmarkDocument(Document):
    """`tuiftune benchmark --json`. Null is what was not measured; a model without a base model has no `base`
    and no `forgetting`.
    """

    probe_set: str
    model: Object | None
    base: Object | None
    forgetting: Object | None
    safety: Object | None
    memorization: Object | None
    tasks: Object | None
    notes: list[str]


class JudgedRow(TypedDict):
    """`outcome` is null if the judge could not be read; `plain` and `swapped` are the two orders."""

    row: int
    outcome: str | None
    plain: str | None
    swapped: str | None


class JudgeDocument(Document):
    """`tuiftune judge --json`. Shares are of rows or votes, null if nothing gives them."""

    first: str
    second: str
    notes: list[str]
    wins: int
    losses: int
    ties: int
    unreadable: int
    win_rate: Share | None
    interval: list[float] | None
    p: float
    consistent: Share | None
    position: Share | None
    longer: Share | None
    agreement: Share | None
    kappa: float | None
    voted: int
    rows: list[JudgedRow]


class ReviewDocument(Document):
    """`tuiftune review --json`. `wins` are of the fine-tuned model; `alpha` is Krippendorff's."""

    reviewers: list[str]
    rows: int
    votes: int
    wins: int
    losses: int
    ties: int
    win_rate: Share | None
    interval: list[float] | None
    p: float
    alpha: float | None
    criteria: dict[str, list[int]]


class AgreementDocument(Document):
    """`tuiftune data agreement --json`. `alpha` is null if all labels are the same; rows count from 1."""

    columns: list[str]
    level: str
    rows: int
    alpha: float | None
    share_agreed: Share
    pairs: list[Object]
    disputed_rows: list[int]


class Condition(TypedDict):
    key: str
    wanted: str
    measured: str
    met: bool


class ShipDocument(Document):
    """`tuiftune ship --json`. `ship` is true if every condition is met."""

    ship: bool
    conditions: list[Condition]
    rows_used: str
    notes: list[str]
