"""Whether a fine-tuned model is better than its base model, beyond what chance gives.

The eval losses of both are compared on the same rows in the same groups, so the interval is that of paired
differences; answers are compared by McNemar's exact test. The ratio estimate of a mean over groups of unequal
size: W. G. Cochran, Sampling Techniques, 1977, 6.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate.statistics import mcnemar, student_t
from tuiftune.figures import percent, plural
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.state.readings import number, part, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Part = tuple[float, int]  # sum of the loss over tokens, and their number

GROUPS = 64  # of rows that are kept for a comparison
FEWEST = 4  # groups; below, an interval is too wide to mean anything
GAIN = 0.005  # of the base model's eval loss; less is no gain, however sure it is
CHANCE = 0.05  # p below which a change of the answers is no chance
SMALL = 20  # rows below which a share is told with their number
UNMEASURED = "Nothing was evaluated, so nothing shows whether the model is better than its base model."
HOLD_OUT = "Hold rows out with data.eval, such as 0.1."
ONE_PROMPT = "All rows have one prompt, and data.eval does not divide those: name a file of evaluation rows."
TOO_FEW = "Too few evaluation rows to tell whether the model is better than its base model"
NO_INTERVAL = "An earlier version ran this and kept no interval, so whether the model is better is not known"
HOLD_OUT_MORE = "Hold more rows out with data.eval: at least 30."
SETTINGS = "Compare the settings with the plan's, and check the rows with `tuiftune data inspect`."


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the result compares with the base model.

    Attributes:
        better: None if nothing was measured, or on too few rows to tell.
        says: one sentence for a person.
        fix: what to try; "" if the result is better.
        change: eval loss after minus before; None if unknown.
        interval: 95% confidence interval of `change`; None if there are too few rows.
    """

    better: bool | None
    says: str
    fix: str = ""
    change: float | None = None
    interval: tuple[float, float] | None = None

    def document(self) -> dict[str, Any]:
        """Return the key `verdict` of result.json."""
        return {
            "better": self.better,
            "says": self.says,
            "fix": self.fix,
            "loss_change": self.change,
            "loss_interval": None if self.interval is None else list(self.interval),
        }


def grouped(parts: Sequence[Part], most: int = GROUPS) -> list[Part]:
    """Return the parts added up to at most `most` groups, every n-th part in the same one."""
    groups = [parts[first::most] for first in range(min(most, len(parts)))]
    return [(sum(loss for loss, _ in group), sum(count for _, count in group)) for group in groups]


def interval(before: Sequence[Part], after: Sequence[Part]) -> tuple[float, float] | None:
    """Return the 95% confidence interval of the change of the mean loss a token; None if it has no basis."""
    groups, tokens = len(before), sum(count for _, count in before)
    same = groups == len(after) and all(one[1] == other[1] for one, other in zip(before, after, strict=True))
    if not same or groups < FEWEST or tokens <= 0:
        return None
    changes = [(later - sooner, count) for (sooner, count), (later, _) in zip(before, after, strict=True)]
    mean = sum(change for change, _ in changes) / tokens
    spread = sum((change - mean * count) ** 2 for change, count in changes) * groups / (groups - 1)
    half = student_t(groups - 1) * math.sqrt(spread) / tokens
    return mean - half, mean + half


def compare(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    parts: tuple[Sequence[Part], Sequence[Part]] = ((), ()),
    pairs: Sequence[tuple[bool, bool]] = (),
    fix: str = "",
    hold_out: str = HOLD_OUT,
) -> Verdict:
    """Compare the scores of a result with those of its base model.

    Args:
        before, after: of result.json.
        parts: groups of the eval loss, before and after.
        pairs: for each row whether the answer matched, or of two answers the chosen one was the likelier,
            before and after.
        fix: what to try if it isn't better; `hold_out`: if nothing was evaluated.
    """
    first, second = number(before, "loss"), number(after, "loss")
    change = None if first is None or second is None else second - first
    sure = interval(*parts)
    loss = _sign_of_loss(first, change, sure)
    answers = _sign_of_answers(pairs)
    if change is None and not pairs:
        return Verdict(None, UNMEASURED, hold_out)
    words = _loss_words(first, second), _match_words(before, after), _rank_words(before, after)
    measured = ", ".join(filter(None, words))
    if answers < 0 or (loss < 0 and answers == 0):
        return Verdict(False, f"Worse than the base model: {measured}.", fix or SETTINGS, change, sure)
    if loss > 0 or answers > 0:
        return Verdict(True, f"Better than the base model: {measured}.", "", change, sure)
    if change is not None and sure is None:
        return Verdict(None, f"{TOO_FEW}: {measured}.", HOLD_OUT_MORE, change)
    still = first is not None and change is not None and abs(change) <= GAIN * first
    says = f"Not better than the base model{'' if still else ' beyond chance'}: {measured}."
    return Verdict(False, says, fix or SETTINGS, change, sure)


def of(result: Mapping[str, Any]) -> Verdict | None:
    """Return the `Verdict` of a result.json.

    One of an earlier version has no interval of the change: only scores whose own intervals lie apart tell.
    """
    kept = part(result, "verdict")
    if kept:
        better = kept.get("better")
        bounds = kept.get("loss_interval")
        both = isinstance(bounds, list) and len(bounds) == 2
        return Verdict(
            better if isinstance(better, bool) else None,
            text(kept, "says"),
            text(kept, "fix"),
            number(kept, "loss_change"),
            (float(bounds[0]), float(bounds[1])) if both and bounds else None,
        )
    if not result:
        return None
    before, after = part(result, "before"), part(result, "after")
    found = compare(before, after)
    if found.better is not None or found.change is None:
        return found
    apart = _sign_of_intervals(before, after)
    says = {1: "Better than the base model", -1: "Worse than the base model", 0: NO_INTERVAL}[apart]
    better = apart > 0 if apart else None
    return replace(
        found,
        better=better,
        says=found.says.replace(TOO_FEW, says),
        fix="" if better is not False else SETTINGS,
    )


def _sign_of_loss(first: float | None, change: float | None, sure: tuple[float, float] | None) -> int:
    """Return 1 if the loss fell by more than `GAIN` and its interval excludes zero, -1 if it rose, else 0."""
    if first is None or change is None or sure is None or abs(change) <= GAIN * first:
        return 0
    low, high = sure
    return 1 if high < 0 else -1 if low > 0 else 0


def _sign_of_answers(pairs: Sequence[tuple[bool, bool]]) -> int:
    gained = sum(not sooner and later for sooner, later in pairs)
    lost = sum(sooner and not later for sooner, later in pairs)
    if mcnemar(gained, lost) >= CHANCE:
        return 0
    return 1 if gained > lost else -1


def _sign_of_intervals(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Return 1 or -1 if the 95% intervals of exact match lie apart, which is more than a test would ask."""
    first, second = _bounds(before), _bounds(after)
    if first is None or second is None:
        return 0
    return 1 if second[0] > first[1] else -1 if second[1] < first[0] else 0


def _bounds(score: Mapping[str, Any]) -> tuple[float, float] | None:
    kept = score.get("interval")
    if not isinstance(kept, list) or len(kept) != 2 or not all(isinstance(one, int | float) for one in kept):
        return None
    return float(kept[0]), float(kept[1])


def _loss_words(first: float | None, second: float | None) -> str:
    return (
        "" if first is None or second is None else f"eval loss {figure(first)} before, {figure(second)} after"
    )


def _match_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    first, second = number(before, "exact_match"), number(after, "exact_match")
    if first is None or second is None:
        return ""
    return f"exact match {percent(first)} before, {percent(second)} after{_of_few(number(after, 'rows'))}"


def _rank_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    shares = [
        count / rows
        for score in (before, after)
        if (rows := number(score, "pairs")) and (count := number(score, "pairs_ranked")) is not None
    ]
    if len(shares) < 2:
        return ""
    few = _of_few(number(after, "pairs"))
    return f"pairs ranked right {percent(shares[0])} before, {percent(shares[1])} after{few}"


def _of_few(rows: float | None) -> str:
    return f" ({plural(int(rows), 'row')})" if rows is not None and rows < SMALL else ""
