"""Scores and differences as people read them, in the unit of their metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import MISSING, real

if TYPE_CHECKING:
    from tuiftune.evaluate.measured import Difference, Measured
    from tuiftune.evaluate.scorers.base import Scorer
    from tuiftune.evaluate.task import Task


def value(one: Measured) -> str:
    """Return a score with its 95% confidence interval."""
    if one.value is None:
        return MISSING
    words = number(one.value, one.scorer)
    if one.interval is not None:
        low, high = one.interval
        words += f" (95% CI {number(low, one.scorer)} to {number(high, one.scorer)})"
    return words


def change(found: Difference, scorer: Scorer) -> str:
    """Return a difference with its interval and p."""
    words = signed(found.value, scorer)
    if found.interval is not None:
        low, high = found.interval
        words += f" (95% CI {signed(low, scorer)} to {signed(high, scorer)})"
    return f"{words}, p = {found.p:.2g}"


def number(given: float, scorer: Scorer) -> str:
    """Return a value in the scorer's unit."""
    if scorer.unit == "share":
        return f"{given * 100:.1f}%"
    return real(given, 3) + (f" {scorer.unit}" if scorer.unit not in ("", "points") else "")


def amount(given: float, scorer: Scorer) -> str:
    """Return the size of a difference: shares in percentage points."""
    if scorer.unit == "share":
        return f"{abs(given) * 100:.1f} points"
    return number(abs(given), scorer)


def signed(given: float, scorer: Scorer) -> str:
    """Return a difference with its sign."""
    return ("+" if given >= 0 else "-") + amount(given, scorer)


def why_main(scorer: Scorer, task: Task) -> str:
    """Return why a metric is the main one, as a sentence."""
    why = f"because {task.why}" if task.kind in scorer.leads else "as --metric says"
    return f"Main metric: {scorer.name}, {why}."
