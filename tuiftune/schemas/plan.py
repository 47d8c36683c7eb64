"""The plan, the plan of a run, and where a run came from."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuiftune.plan.model import Alternative, Larger, Memory, Reason, Sharded, Speed
from tuiftune.runs.provenance import Provenance
from tuiftune.schemas.common import Document, Object


class Time(TypedDict):
    seconds: float | None
    steps: int | None
    tokens: int | None


class Cost(TypedDict):
    """US dollars."""

    usd: float | None
    per_hour: float | None


class Gpu(TypedDict, total=False):
    """What was planned for; `name` is cpu where there is no GPU. Bytes."""

    name: str
    kind: str
    count: int
    memory_total: int
    memory_available: int
    source: str


class PlanDocument(Document):
    """`tuiftune plan --json`. Sizes in bytes, times in seconds; null where not known."""

    fits: bool
    near_limit: bool
    gpu: Gpu
    memory: Memory
    resolved: Object
    reasons: list[Reason]
    alternatives: list[Alternative]
    larger: Larger | None
    sharded: Sharded | None
    speed: Speed
    time: Time
    cost: Cost
    without: list[Literal["data", "weights"]]
    notes: list[str]


class Created(TypedDict):
    t: float
    version: str


class RunPlanDocument(PlanDocument):
    """`plan.json` of a run: the plan, what it was made from, and its provenance."""

    model: Object
    data: Object
    created: Created
    preflight: bool | None
    preset_digest: str
    provenance: Provenance
    changed: NotRequired[list[str]]
    reproduces: NotRequired[dict[str, Any]]


class GpuChoice(TypedDict):
    """A preset planned for some GPUs. Bytes of each, hours, US dollars; null where not known."""

    gpu: str
    count: int
    fits: bool
    technique: str
    needs: int
    memory_available: int
    hours: float | None
    usd_low: float | None
    usd_high: float | None
    per_hour_low: float | None
    per_hour_high: float | None
    provider: str | None
    spot: bool
    source: str | None
    date: str | None


class TaskFileDocument(Document):
    """`tuiftune plan --as PROGRAM --json`. `inputs`: files of this machine; `written`: names in --output."""

    program: Literal["dstack", "k8s", "sky", "slurm"]
    file: str
    text: str
    command: str
    checked_against: str | None
    gpu: str | None
    count: int
    disk_gib: int
    bucket: str | None
    inputs: list[str]
    written: list[str]


class PlanGpusDocument(Document):
    """`tuiftune plan --gpu any --json`: what fits first, the cheapest before the others."""

    choices: list[GpuChoice]
    notes: list[str]
