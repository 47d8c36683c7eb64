"""Macro F1: the mean of the F1 of every label, so that a rare label counts as much as a common one."""

from __future__ import annotations

from tuiftune.evaluate.labels import counts_by_row, mean_f1
from tuiftune.evaluate.scorers.base import Scorer

MACRO_F1 = Scorer(
    key="macro_f1",
    order=21,
    name="macro F1",
    does="mean F1 over the labels of the references",
    kind="sums",
    parts=counts_by_row,
    combine=mean_f1,
    tasks=frozenset({"labels"}),
    source="Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, 13.6",
)
