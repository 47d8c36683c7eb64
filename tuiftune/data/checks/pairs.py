"""Checks of comparisons: equal sides, sides that another row has swapped, and which side is longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.similar.normalized import normalized
from tuiftune.figures import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Check, Subject

LONGER = 0.7  # of the pairs; from there on length alone tells most of them
TIMES = 1.2  # the chosen answers' length over the rejected ones', in the median
FEWEST = 20  # pairs


def compared(subject: Subject) -> Iterator[Check]:
    """equal-sides, swapped-sides and length-margin."""
    chosen, rejected = normalized("answer"), normalized("rejected")
    yield subject.verdict(
        "equal-sides",
        "Equal chosen and rejected answers",
        "error",
        subject.where((chosen == rejected) & (chosen != "")),
        why="Two equal answers do not say which is better, so these rows are not trained on.",
        remedy="drop them: tuiftune data clean --drop equal-sides",
        show="prompt",
    )
    yield _swapped(subject)
    yield _longer(subject)


def _swapped(subject: Subject) -> Check:
    """Rows that prefer what another row rejects, of the same two answers to the same prompt."""
    frame = subject.each(
        ask=normalized("prompt").hash(0) ^ normalized("system").hash(1),
        one=normalized("answer").hash(2),
        other=normalized("rejected").hash(2),
    ).with_row_index("at")
    found = frame.filter(pl.col("one") != pl.col("other")).join(
        frame.select("ask", one="other", other="one", partner="at"), on=["ask", "one", "other"], how="inner"
    )
    first = found.sort("at").unique("at", keep="first", maintain_order=True)
    return subject.verdict(
        "swapped-sides",
        "Contradicting pairs (the same answers swapped)",
        "error",
        first["at"].to_numpy().astype(np.intp),
        why="One row prefers what another rejects, so together they have no effect.",
        remedy="decide which answer is better, or drop both rows: tuiftune data clean --drop swapped-sides",
        partner=first["partner"].to_numpy().astype(np.intp),
        show="prompt",
    )


def _longer(subject: Subject) -> Check:
    usable = subject.dataset.usable.arg_true()
    sizes = subject.each(
        chosen=pl.col("answer").str.len_chars(), rejected=pl.col("rejected").str.len_chars()
    )[usable]
    chosen, rejected = (sizes[side].to_numpy().astype(float) for side in ("chosen", "rejected"))
    share = float((chosen > rejected).mean()) if len(chosen) else 0.0
    times = float(np.median(chosen / np.maximum(rejected, 1))) if len(chosen) else 1.0
    longer = len(chosen) >= FEWEST and share >= LONGER and times >= TIMES
    at = usable.to_numpy().astype(np.intp)[chosen > rejected] if longer else np.empty(0, dtype=np.intp)
    return subject.verdict(
        "length-margin",
        "Chosen answers are longer",
        "warning",
        at,
        why=f"In {percent(share)} of the pairs the chosen answer is longer ({times:.1f}× as "
        "long in the median): the model may learn length instead of quality.",
        remedy="add pairs in which the shorter answer is better, or set method.loss_type: sigmoid_norm",
        show="prompt",
    )
