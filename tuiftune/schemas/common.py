"""What several documents have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

Share = Annotated[float, Field(ge=0, le=1)]
State = Literal[
    "new",
    "queued",
    "running",
    "done",
    "stopped",
    "preempted",
    "killed",
    "failed",
    "died",
    "gone",
    "nan",
    "diverged",
    "oom",
    "disk",
]
Object = dict[str, Any]


class Document(TypedDict):
    """Every document says what it is."""

    schema: str


class ReasonGiven(TypedDict):
    """Why a key has its value."""

    key: str
    value: Any
    why: str
    source: str


class Score(TypedDict, total=False):
    """One model on the evaluation set: mean loss of a token, shares from 0 to 1."""

    loss: float | None
    perplexity: float | None
    exact_match: Share | None
    final_number: Share | None
    interval: list[float] | None
    matched: int | None
    rows: int | None
    rows_held_out: int | None
    stripped: dict[str, int]
    unended: int
    leakage: Object
    loss_parts: list[list[float]]  # of groups of the evaluation rows: sum of the loss, tokens
