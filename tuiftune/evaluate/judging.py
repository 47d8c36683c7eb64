"""A language model as judge: pairs of answers in both orders, and how far its judgments can be trusted.

Source of the protocol and its biases: Zheng et al. 2023, arXiv:2306.05685. A side wins a row only if the
judge prefers it in both orders; everything else it says readably is a tie.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.data.example import Message
from tuiftune.evaluate.statistics import mcnemar, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Side = Literal["first", "second", "tie"]
RUBRIC = "Is the answer correct, does it do what was asked, and is it clear?"
# "WINNER: A", also in bold, or "The winner is answer A" at the end of a line; not "no winner. A is longer"
_SIDE = r"(?:(?:ANSWER|ASSISTANT|SIDE)\W{1,3})?((?:AN?\s+)?TIE|A|B)\b"
WINNER = re.compile(
    rf"\bWINNER\b[^\w\n]{{0,4}}[:=][^\w\n]{{0,8}}{_SIDE}"
    rf"|\bWINNER[^\w\n]{{1,8}}(?:IS\b[^\w\n]{{1,8}})?{_SIDE}[^\w\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
BARE = re.compile(r"\W*(A|B|TIE)\W*", re.IGNORECASE)
SYSTEM = """You compare two answers to the same request. Criteria:

{rubric}

The order of the answers and their length must not influence you. Say in a few sentences how they differ. Then
write one last line: WINNER: A, WINNER: B, or WINNER: TIE if neither is better."""


@dataclass(frozen=True, slots=True)
class Contest:
    """What was asked (one or several turns) and both sides' answers, one a turn."""

    row: int
    asked: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]

    def prompt(self, rubric: str, *, swapped: bool) -> tuple[Message, ...]:
        """Return what the judge is sent; `swapped` shows the second side as A."""
        a, b = (self.second, self.first) if swapped else (self.first, self.second)
        shown = []
        for name, answers in (("A", a), ("B", b)):
            turns = "\n\n".join(
                f"Request: {request}\nAnswer: {answer}"
                for request, answer in zip(self.asked, answers, strict=True)
            )
            shown.append(f"--- {name} ---\n{turns}")
        return Message("system", SYSTEM.format(rubric=rubric)), Message("user", "\n\n".join(shown))


@dataclass(frozen=True, slots=True)
class Judgment:
    """What the judge said of a row in both orders; None if it could not be read."""

    row: int
    plain: Side | None
    swapped: Side | None

    @property
    def outcome(self) -> Side | None:
        """Return the winner if both orders agree on one, a tie if not, None if one is unreadable."""
        if self.plain is None or self.swapped is None:
            return None
        return self.plain if self.plain == self.swapped else "tie"


@dataclass(frozen=True, slots=True)
class Judged:
    """All judgments, and what is known of the judge's biases. Shares are None if nothing gives them.

    Attributes:
        win_rate: of the first side, ties counted half; `interval`: 95%, of wins among decided rows.
        consistent: share of rows on which both orders agree.
        position: share of readable judgments with a winner that prefer what is shown first; 0.5 is no bias.
        longer: share of decided rows that the longer side wins.
        agreement: share of rows on which the judge and a human vote agree; `kappa`: Cohen's, beyond chance.
    """

    judgments: tuple[Judgment, ...]
    wins: int
    losses: int
    ties: int
    unreadable: int
    win_rate: float | None
    interval: tuple[float, float] | None
    p: float
    consistent: float | None
    position: float | None
    longer: float | None
    agreement: float | None = None
    kappa: float | None = None
    voted: int = 0

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        names = ("wins", "losses", "ties", "unreadable", "win_rate", "p", "consistent", "position", "longer")
        more = ("agreement", "kappa", "voted")
        return {
            **{name: getattr(self, name) for name in (*names, *more)},
            "interval": None if self.interval is None else list(self.interval),
            "rows": [
                {"row": one.row, "outcome": one.outcome, "plain": one.plain, "swapped": one.swapped}
                for one in self.judgments
            ],
        }


def read(text: str, *, swapped: bool) -> Side | None:
    """Return whom a judge's answer prefers; None if it names nobody."""
    word = _verdict(text)
    if not word:
        return None
    if word == "TIE":
        return "tie"
    return "first" if (word == "A") is not swapped else "second"


def _verdict(text: str) -> str:
    """Return A, B or TIE of the last line that names one; "" if it names several, as an echo of the
    instruction does, or if none does.
    """
    if bare := BARE.fullmatch(text):
        return bare[1].upper()
    for line in reversed(text.splitlines()):
        named = {(one or other).upper().split()[-1] for one, other in WINNER.findall(line)}
        if named:
            return named.pop() if len(named) == 1 else ""
    return ""


def summed(
    contests: Sequence[Contest], judgments: Sequence[Judgment], votes: Mapping[int, Side] | None = None
) -> Judged:
    """Return the counts, the win rate and the biases of judgments, one a contest."""
    outcomes = Counter(one.outcome for one in judgments)
    wins, losses, ties = outcomes["first"], outcomes["second"], outcomes["tie"]
    decided, readable = wins + losses, wins + losses + ties
    first_shown = [
        side == ("second" if swapped else "first")
        for one in judgments
        for swapped, side in ((False, one.plain), (True, one.swapped))
        if side in ("first", "second")
    ]
    both = [one for one in judgments if one.outcome is not None]
    longer = []
    for contest, one in zip(contests, judgments, strict=True):
        sizes = (len(" ".join(contest.first)), len(" ".join(contest.second)))
        if one.outcome in ("first", "second") and sizes[0] != sizes[1]:
            longer.append((one.outcome == "first") == (sizes[0] > sizes[1]))
    agreement, kappa, voted = _agreement(judgments, votes or {})
    return Judged(
        tuple(judgments),
        wins,
        losses,
        ties,
        len(judgments) - readable,
        (wins + ties / 2) / readable if readable else None,
        wilson(wins, decided) if decided else None,
        mcnemar(wins, losses),
        sum(one.plain == one.swapped for one in both) / len(both) if both else None,
        sum(first_shown) / len(first_shown) if first_shown else None,
        sum(longer) / len(longer) if longer else None,
        agreement,
        kappa,
        voted,
    )


def _agreement(
    judgments: Sequence[Judgment], votes: Mapping[int, Side]
) -> tuple[float | None, float | None, int]:
    """Return the share of equal judgments, Cohen's kappa, and the rows that both have.

    Source: J. Cohen, A Coefficient of Agreement for Nominal Scales, 1960.
    """
    pairs = [
        (one.outcome, votes[one.row]) for one in judgments if one.outcome is not None and one.row in votes
    ]
    if not pairs:
        return None, None, 0
    same = sum(a == b for a, b in pairs) / len(pairs)
    judged, voted = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(judged[side] * voted[side] for side in judged) / len(pairs) ** 2
    return same, (same - chance) / (1 - chance) if chance < 1 else None, len(pairs)
