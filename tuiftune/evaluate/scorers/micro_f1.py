"""Micro F1: F1 over all decisions at once. An answer that is none of the labels costs recall only."""

from __future__ import annotations

from tuiftune.evaluate.labels import counts_by_row, pooled_f1
from tuiftune.evaluate.scorers.base import Scorer

MICRO_F1 = Scorer(
    key="micro_f1",
    order=22,
    name="micro F1",
    does="F1 over the decisions for all labels together",
    kind="sums",
    parts=counts_by_row,
    combine=pooled_f1,
    tasks=frozenset({"labels"}),
    source="Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, 13.6",
)
