"""How large a model a task needs: by what is asked of it, how much data there is, and what it costs to serve.

The bounds are this program's judgment. Small fine-tuned models do as well as large prompted ones on fixed
labels (Bucher and Martini, 2024); the cost of serving grows about linearly with the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import sources
from tuiftune.figures import count

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts

B = 1e9
FEW_ROWS = 2_000  # below, a model of more than 9 billion parameters has little to learn from
USUAL = 9 * B


@dataclass(frozen=True, slots=True)
class Enough:
    """Parameters that a task needs at most, why, and what would ask for a larger model."""

    parameters: float
    why: str
    unless: str
    source: str

    def told(self) -> str:
        """Why, and what would change it, in one line."""
        return f"{self.why}; {self.unless}"


LABELS = Enough(
    2 * B,
    "fixed labels need little generation, and a small model costs little to serve",
    "take a larger one if labels are confused in the evaluation",
    sources.SMALL_CLASSIFIERS.short,
)
FORMAT = Enough(
    4.5 * B,
    "a strict format is learned by small models",
    "take a larger one if the content of the answers is wrong",
    sources.together(sources.LIMA, sources.DEFAULT),
)
STYLE = Enough(
    USUAL,
    "style needs a fluent model, not the largest",
    "take a larger one if answers are weak in content",
    sources.together(sources.LIMA, sources.DEFAULT),
)
REASONING = Enough(
    16 * B,
    "several steps of reasoning gain from a larger model",
    "take a smaller one if it must answer fast",
    sources.DEFAULT,
)
OTHER = Enough(
    USUAL,
    "the usual size to start from",
    "take a larger one if the evaluation shows that it knows too little",
    sources.DEFAULT,
)
URGENT = Enough(
    4.5 * B,
    "fast answers need a small model",
    "take a larger one if quality matters more than speed",
    sources.DEFAULT,
)
_BY_TASK = {"classify": LABELS, "format": FORMAT, "style": STYLE, "reasoning": REASONING}


def enough(task: str = "", volume: str = "", facts: DataFacts | None = None) -> Enough:
    """Return the size of model that is enough for the answers and the data, as far as they are known."""
    labels = facts is not None and (facts.format == "classification" or bool(facts.labels))
    found = _BY_TASK.get(task, LABELS if labels and not task else OTHER)
    if volume == "urgent" and found.parameters > URGENT.parameters:
        return URGENT
    rows = None if facts is None or facts.format == "text" else facts.rows + facts.rows_eval
    if rows is not None and rows < FEW_ROWS and found.parameters > USUAL:
        why = f"{rows:,} rows are few for a model of more than {count(USUAL)} parameters"
        return Enough(USUAL, why, "take a larger one with more rows", sources.DEFAULT)
    return found


def larger_than_needed(parameters: int, facts: DataFacts | None) -> str:
    """That a model is larger than the data needs, as far as the data shows it; "" if it is not."""
    if facts is None or (facts.format != "classification" and not facts.labels):
        return ""
    found = enough(facts=facts)
    if parameters <= found.parameters:
        return ""
    return (
        f"{count(parameters)} parameters for rows of fixed labels: up to {count(found.parameters)} are "
        "usually enough. "
        f"{found.told().capitalize()}."
    )
