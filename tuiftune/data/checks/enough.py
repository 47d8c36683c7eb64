"""Whether there are enough rows for the task, and for measuring it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tuiftune.data.checks.check import Check
from tuiftune.figures import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Subject

# (useful minimum, recommended) rows. LIMA: 1,000 curated rows for style and format; the rest is
# practitioners'.
WANTED = {
    "classification": (500, 2000),
    "instruction": (100, 1000),
    "prompt-completion": (100, 1000),
    "prompt-only": (100, 1000),
    "chat": (100, 1000),
    "sharegpt": (100, 1000),
    "preference": (100, 1000),
    "kto": (100, 1000),
    "text": (100, 2000),
}


def enough(subject: Subject) -> Iterator[Check]:
    """too-few-rows: compared with what the task needs, and what the evaluation rows can show."""
    usable = int(subject.dataset.usable.sum())
    least, good = WANTED[subject.format]
    nothing = np.empty(0, dtype=np.intp)
    title = "Enough rows for the task"
    advice = f"{least:,} rows are a start for this kind of task; {good:,} or more are recommended."
    if usable >= good:
        yield Check("too-few-rows", title, "ok", 0, indices=nothing)
        return
    severity = "error" if usable < 10 else "warning" if usable < least else "info"
    yield Check(
        "too-few-rows",
        "Too few rows for the task",
        severity,  # type: ignore[arg-type]
        usable,
        why=f"{usable:,} rows can be used. {advice} {held_out_shows(max(1, round(usable * 0.05)))}",
        remedy="collect more rows, or try few-shot prompting first; quality matters more than quantity",
        indices=nothing,
    )


def held_out_shows(rows: int) -> str:
    """Return the accuracy of a score: the half-width of its 95% Wilson interval at one half."""
    z = 1.96
    half = z / (1 + z * z / rows) * math.sqrt(0.25 / rows + z * z / (4 * rows * rows))
    return f"A score on {plural(rows, 'evaluation row')} is accurate to about ±{half:.0%}."
