"""How often the rows are used, and how many make a step: recommended epochs and effective batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import sources
from tuiftune.plan.model import Reason

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts

GUIDES = sources.PRACTITIONERS.short
EPOCHS, BATCH = "training.epochs", "training.effective_batch"
BATCH_USUAL, BATCH_SMALL, BATCH_MOST = 16, 8, 32
BATCH_ROWS = 200_000  # far more than 100,000 rows: a batch of 32 costs adapters nothing
ENOUGH_STEPS = 100
TRACE_TOKENS = 64  # of reasoning around an answer; a template's own marks are fewer
TRACES = ((500, 16), (5_000, 8), (20_000, 4))  # rows up to which reasoning traces are used so many epochs
ROWS = ((5_000, 3), (20_000, 2))  # the same of other rows


def has_traces(facts: DataFacts) -> bool:
    """Return True if answers contain reasoning before what is asked for."""
    return facts.around_answer >= TRACE_TOKENS


def epochs(facts: DataFacts) -> Reason:
    """Recommended epochs: 1 to 3 in practitioners' guides, many more for reasoning traces."""
    rows = facts.rows
    if facts.format == "text":
        return Reason(EPOCHS, 1, "raw text is used once: the model memorizes it in later epochs", GUIDES)
    if has_traces(facts):
        value = next((value for most, value in TRACES if rows <= most), 2)
        why = (
            f"reasoning traces gain from repetition: 400 rows × 128 epochs beat 51,200 rows once. {GUIDES} "
            "say 1 to "
            "3: compare checkpoints by their scores"
        )
        return Reason(EPOCHS, value, why, sources.together(sources.REPETITION, sources.PRACTITIONERS))
    value = next((value for most, value in ROWS if rows <= most), 1)
    why = {
        3: f"with only {rows:,} rows, several epochs are needed; more than 3 overfit",
        2: f"{rows:,} rows are learned within two epochs",
        1: f"{rows:,} rows are enough for one epoch",
    }[value]
    return Reason(EPOCHS, value, why, GUIDES)


def effective_batch(facts: DataFacts, passes: float) -> Reason:
    """Recommended rows per optimizer step, for so many epochs."""
    source = sources.together(sources.NO_REGRET, sources.BATCH)
    steps = facts.rows * passes / BATCH_USUAL
    if steps < ENOUGH_STEPS:
        why = f"{BATCH_USUAL} rows per step would make {steps:,.0f} steps; {ENOUGH_STEPS} or more are better"
        return Reason(BATCH, BATCH_SMALL, why, source)
    if facts.rows >= BATCH_ROWS:
        why = f"{facts.rows:,} rows leave enough steps; with fewer, adapters lose at batches of 32 and more"
        return Reason(BATCH, BATCH_MOST, why, source)
    why = "steady steps, and enough of them; adapters lose at large batches, whatever their rank"
    if facts.rows >= 20_000:
        why += f". {GUIDES} say 16 to 32"
        source = sources.together(source, GUIDES)
    return Reason(BATCH, BATCH_USUAL, why, source)
