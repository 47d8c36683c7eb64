"""What one key does about a check: the repair with its option set, or the slider for max_length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.data.clean.flagged import DROPPABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.checks.check import Check

ALWAYS = (  # a clean run does these in any case
    "missing-answers",
    "missing-prompts",
    "roles",
    "turn-order",
    "exact-duplicates",
    "encoding",
    "special-tokens",
)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "secrets": {"mask": "secrets"},
    "personal-data": {"mask": "all"},
    "near-duplicates": {"near": True},
    "conflicting-answers": {"duplicates": "merge"},
    "length-outliers": {"outliers": "drop"},
}
CUT = ("truncation", "nothing-to-train")


@dataclass(frozen=True, slots=True)
class Remedy:
    """`chosen` are options of a repair; `cut`: it is the slider that helps. `says` what the key will do."""

    says: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False


def remedy_of(check: Check, evaluation: Any) -> Remedy | None:
    """The remedy of a check with rows, or None where only a person can help. `evaluation` is `data.eval`."""
    if check.severity == "ok" or not check.count:
        return None
    name = check.check
    if name in CUT:
        return Remedy("opens the slider for max_length", cut=True)
    if name in ALWAYS:
        return Remedy("shows the repair, which mends or drops them")
    if name == "leakage":
        own = {"against": evaluation} if isinstance(evaluation, str) else {"split": "90/10"}
        return Remedy("shows a repair without the rows that leak", own)
    if name in OPTIONS:
        (option, value), *_ = OPTIONS[name].items()
        word = {True: "drop", "all": "all", "secrets": "secrets"}.get(value, value)
        return Remedy(f"shows the repair with {option}: {word}", OPTIONS[name])
    if name in DROPPABLE:
        return Remedy("shows the repair without these rows", {"drop": (name,)})
    return None
