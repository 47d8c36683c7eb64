"""The fix that one key opens for a check: cleaning with an option set, or the max length slider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.data.clean.flagged import DROPPABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.checks.check import Check

ALWAYS = (  # cleaning always fixes these
    "missing-answers",
    "missing-prompts",
    "roles",
    "turn-order",
    "exact-duplicates",
    "malformed-lines",
    "missing-thumbs",
    "encoding",
    "special-tokens",
)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "secrets": {"mask": "secrets"},
    "personal-data": {"mask": "all"},
    "near-duplicates": {"near": True},
    "conflicting-answers": {"duplicates": "merge"},
    "length-outliers": {"outliers": "drop"},
    "similar-labels": {"labels": "merge"},
}
TITLES = {
    "mask": "redact",
    "near": "near-duplicates",
    "outliers": "length outliers",
    "labels": "similar labels",
}
CUT = ("truncation", "nothing-to-train")


@dataclass(frozen=True, slots=True)
class Remedy:
    """The fix of a check.

    Attributes:
        says: what the key will do.
        chosen: options of cleaning.
        cut: True if the fix is the max length slider.
    """

    says: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False


BY_HAND: Mapping[str, str] = {  # why no key can fix a check
    "label-balance": "tuiftune cannot invent rows of the rare labels. Add rows, or drop some of the most "
    "frequent label.",
    "too-few-rows": "tuiftune does not write training data. Collect more rows, or try a prompt first.",
    "template-refusals": "The base model's chat template rejects these rows. Choose another base model, or "
    "change the roles of the messages in your file.",
    "template": "The chat template belongs to the base model. Choose another base model to change it.",
}
_BY_HAND = "tuiftune cannot fix this automatically. Follow the suggestion shown under fix."


def why_by_hand(check: Check) -> str:
    """Return why no key can fix a check with a finding; "" for one that passed."""
    return "" if check.severity == "ok" else BY_HAND.get(check.check, _BY_HAND)


def remedy_of(check: Check, evaluation: Any) -> Remedy | None:
    """Return the fix of a check, or None if only a person can fix it. `evaluation` is `data.eval`."""
    if check.severity == "ok" or not check.count:
        return None
    name = check.check
    if name in CUT:
        return Remedy("opens the max length slider", cut=True)
    if name in ALWAYS:
        return Remedy("opens cleaning, which fixes or drops these rows")
    if name == "leakage":
        own = {"against": evaluation} if isinstance(evaluation, str) else {"split": "90/10"}
        return Remedy("opens cleaning, which drops the leaked rows", own)
    if name in OPTIONS:
        (option, value), *_ = OPTIONS[name].items()
        word = {True: "drop", "all": "all", "secrets": "secrets"}.get(value, value)
        return Remedy(f"opens cleaning with {TITLES.get(option, option)}: {word}", OPTIONS[name])
    if name in DROPPABLE:
        return Remedy("opens cleaning, which drops these rows", {"drop": (name,)})
    return None
