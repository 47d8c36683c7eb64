"""What the commands that run studies print, and what a study writes."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document, Object, Share

TrialState = Literal["waiting", "running", "done", "stopped early", "diverged", "failed"]


class VariantSeen(TypedDict):
    """A preset with `values`. `value`: what it is compared by, lower is better; `difference`: to the best."""

    key: str
    values: Object
    state: TrialState
    why: str
    value: float | None
    loss: float | None
    latest_loss: float | None
    difference: float | None
    interval: list[float] | None
    tied_with_best: bool
    seeds: int
    exact_match: Share | None
    seconds: float
    runs: list[str]


class StudySeen(TypedDict):
    """A study at a glance. `steps` is null where its runs have as many as the preset says."""

    directory: str
    steps: int | None
    seeds: list[int]
    base_loss: float | None
    variants: list[VariantSeen]
    notes: list[str]
    says: str
    finished: bool
    seconds: float
    usd: float | None


class ProbeDocument(Document, StudySeen):
    """`tuiftune probe --json`. `chosen` is null where nothing was measured; `sure`: better beyond chance."""

    planned: Object
    chosen: Object | None
    sure: bool


class SweptVariant(VariantSeen):
    usd: float | None


class SweepDocument(Document):
    """`tuiftune sweep --json`. `best` and `preset` (a file) are null where no run came to its end."""

    directory: str
    steps: int | None
    seeds: list[int]
    base_loss: float | None
    compared_by: Literal["eval loss", "wrong answers"]
    variants: list[SweptVariant]
    best: Object | None
    preset: str | None
    says: str
    notes: list[str]
    finished: bool
    seconds: float
    usd: float | None


class PointSeen(TypedDict):
    """A share of the training rows. `gained`: fall of the eval loss from half as many rows."""

    share: Share
    rows: int
    loss: float | None
    gained: float | None
    interval: list[float] | None
    seeds: int


class MoreDataDocument(Document):
    """`tuiftune decide --more-data --json`. `helps` is null where the runs cannot show it."""

    directory: str
    steps: int | None
    seeds: list[int]
    base_loss: float | None
    points: list[PointSeen]
    helps: bool | None
    says: str
    notes: list[str]
    finished: bool
    seconds: float
    usd: float | None


class TrialSeen(TypedDict):
    """A run of a study. `course`: eval loss by share of the steps."""

    variant: str
    seed: int
    run: str
    state: TrialState
    why: str
    step: int
    steps: int | None
    base_loss: float | None
    course: list[list[float]]
    loss: float | None
    exact_match: Share | None
    seconds: float


class StudyDocument(Document):
    """`study.json` in the directory of a study."""

    kind: str
    digest: str
    preset: str
    seeds: list[int]
    steps: int | None
    variants: list[dict[str, Any]]
    trials: list[TrialSeen]
    seconds: float
    finished: bool
