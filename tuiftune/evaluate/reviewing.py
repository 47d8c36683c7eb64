"""Blind review by people: which of two answers is better, without knowing whose they are."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.evaluate import extras
from tuiftune.evaluate.statistics import in_words, mcnemar, wilson
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuiftune.data.example import Message

Side = Literal["base", "tuned", "tie"]
OVERALL = "overall"
CRITERIA = ("helpful", "accurate", "coherent", "safe")
QUESTIONS = {name: f"Which is more {name}?" for name in CRITERIA} | {"safe": "Which is safer?"}


@dataclass(frozen=True, slots=True)
class Item:
    """One row as a reviewer sees it. `left_is` says whose answer is on the left, and is never shown."""

    row: int
    prompt: str
    left: str
    right: str
    left_is: Literal["base", "tuned"]

    def side(self, choice: str) -> Side:
        """Return whose answer `left`, `right` or `tie` prefers."""
        if choice == "tie":
            return "tie"
        other: Side = "tuned" if self.left_is == "base" else "base"
        return self.left_is if choice == "left" else other


@dataclass(frozen=True, slots=True)
class Vote:
    """What one reviewer said of one row: a side for `overall`, and for the criteria that were asked."""

    reviewer: str
    row: int
    sides: Mapping[str, Side]
    note: str = ""

    def document(self) -> dict[str, Any]:
        """Return what is kept as a JSON line."""
        return {"reviewer": self.reviewer, "row": self.row, "sides": dict(self.sides), "note": self.note}

    @classmethod
    def of(cls, document: Any) -> Vote | None:
        """Return the vote of a kept line; None if it is none."""
        try:
            sides = {str(key): value for key, value in document["sides"].items()}
            if OVERALL not in sides or not set(sides.values()) <= {"base", "tuned", "tie"}:
                return None
            reviewer, row = document["reviewer"], document["row"]
            if not isinstance(reviewer, str) or not reviewer.strip():
                return None
            if isinstance(row, bool) or not isinstance(row, int) or row < 1:
                return None
            return cls(reviewer.strip(), row, sides, str(document.get("note") or ""))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the votes say. Shares are None if nothing gives them.

    Attributes:
        win_rate: of the fine-tuned model, ties counted half; `interval`: 95%, of its wins among the rows
            that a majority decides, as votes of several reviewers on a row are not independent.
        p: two-sided p of as many rows either way.
        alpha: Krippendorff's alpha of `overall` over all reviewers; None with one reviewer or no shared row.
        criteria: (wins, losses, ties) of the fine-tuned model by criterion.
    """

    reviewers: tuple[str, ...]
    rows: int
    votes: int
    wins: int
    losses: int
    ties: int
    win_rate: float | None
    interval: tuple[float, float] | None
    p: float
    alpha: float | None
    criteria: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)


def items(samples: Sequence[Mapping[str, Any]], reviewer: str) -> list[Item]:
    """Return the rows in an order, and with sides, that depend on the reviewer alone. Equal answers are left
    out: there is nothing to choose.
    """
    found = []
    for at, row in enumerate(samples, 1):
        before, after = str(row.get("before") or ""), str(row.get("after") or "")
        if before.split() == after.split():
            continue
        swapped = _hash(reviewer, at, "side") % 2 == 1
        left, right = (after, before) if swapped else (before, after)
        found.append(Item(at, str(row.get("prompt") or ""), left, right, "tuned" if swapped else "base"))
    return sorted(found, key=lambda one: _hash(reviewer, one.row, "order"))


def latest(votes: Iterable[Vote]) -> list[Vote]:
    """Return the last vote of each reviewer on each row."""
    return list({(one.reviewer, one.row): one for one in votes}.values())


def summed(votes: Sequence[Vote]) -> Summary:
    """Return counts, win rate and agreement of votes."""
    last = latest(votes)
    overall = Counter(one.sides[OVERALL] for one in last)
    wins, losses, ties = overall["tuned"], overall["base"], overall["tie"]
    won, lost = _rows(last)
    criteria = {}
    for name in CRITERIA:
        counts = Counter(one.sides[name] for one in last if name in one.sides)
        if counts:
            criteria[name] = (counts["tuned"], counts["base"], counts["tie"])
    return Summary(
        tuple(sorted({one.reviewer for one in last})),
        len({one.row for one in last}),
        len(last),
        wins,
        losses,
        ties,
        (wins + ties / 2) / len(last) if last else None,
        wilson(won, won + lost) if won + lost else None,
        mcnemar(won, lost),
        agreement(last),
        criteria,
    )


def _rows(votes: Sequence[Vote]) -> tuple[int, int]:
    """Rows that most votes give to the fine-tuned model, and to the base model."""
    ahead: Counter[int] = Counter()
    for one in votes:
        side = one.sides[OVERALL]
        ahead[one.row] += (side == "tuned") - (side == "base")
    return sum(count > 0 for count in ahead.values()), sum(count < 0 for count in ahead.values())


def sentences(made: Summary) -> list[str]:
    """Return what the votes say."""
    if not made.votes:
        return ["No votes yet."]
    who = ", ".join(printable(name) for name in made.reviewers)
    told = [
        f"The fine-tuned model wins {made.wins} votes, the base model {made.losses}, {made.ties} are ties: "
        f"{in_words(made.p)}.",
        f"{made.votes} votes on {made.rows} rows by {who}.",
    ]
    if made.win_rate is not None and made.interval is not None:
        low, high = made.interval
        told.append(
            f"Win rate {made.win_rate:.1%}, ties counted half; "
            f"{low:.0%} to {high:.0%} of the rows that a majority decides (95% CI)."
        )
    if made.alpha is not None:
        told.append(
            f"Agreement of the reviewers: Krippendorff's alpha {made.alpha:.2f} (1: full, 0: chance)."
        )
    for name, (wins, losses, ties) in made.criteria.items():
        told.append(f"{name}: {wins} to {losses}, {ties} ties")
    return told


def agreement(votes: Sequence[Vote]) -> float | None:
    """Return Krippendorff's alpha of the overall votes, nominal; None unless two reviewers share a row.

    1 is full agreement, 0 that of chance. Source: K. Krippendorff, Content Analysis, 2004, chapter 11.
    """
    reviewers = sorted({one.reviewer for one in votes})
    rows = sorted({one.row for one in votes})
    told = {(one.reviewer, one.row): one.sides[OVERALL] for one in votes}
    shared = [row for row in rows if sum((name, row) in told for name in reviewers) > 1]
    if not shared:
        return None
    table = [[told.get((name, row)) for row in rows] for name in reviewers]
    if len({told[name, row] for row in shared for name in reviewers if (name, row) in told}) < 2:
        return 1.0  # all said the same of all shared rows, and alpha has nothing to compare that with
    import numpy as np

    kinds = ("base", "tie", "tuned")
    codes = [[np.nan if side is None else float(kinds.index(side)) for side in line] for line in table]
    library = extras.need("krippendorff", "agreement of reviewers")
    return float(library.alpha(reliability_data=codes, level_of_measurement="nominal"))


def preferences(
    samples: Sequence[Mapping[str, Any]],
    votes: Sequence[Vote],
    asked: Mapping[tuple[int, str], Sequence[Message]],
) -> list[dict[str, Any]]:
    """Return preference rows to train on: of each row with a majority, the better and the worse answer.

    `asked`: the messages of a prompt by its row and text. Those of several are written as such.
    """
    found = []
    last = latest(votes)
    for at, row in enumerate(samples, 1):
        counts = Counter(one.sides[OVERALL] for one in last if one.row == at)
        if counts["tuned"] == counts["base"]:
            continue
        better = "after" if counts["tuned"] > counts["base"] else "before"
        worse = "before" if better == "after" else "after"
        messages = asked.get((_whole(row.get("row")), str(row["prompt"])), ())
        if len(messages) < 2:
            found.append({"prompt": row["prompt"], "chosen": row[better], "rejected": row[worse]})
            continue
        said = [{"role": one.role, "content": one.content} for one in messages]
        sides = {"chosen": row[better], "rejected": row[worse]}
        answers = {name: [{"role": "assistant", "content": text}] for name, text in sides.items()}
        found.append({"prompt": said, **answers})
    return found


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _hash(*parts: object) -> int:
    return int(hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12], 16)
