"""ROUGE-1: F-measure of the shared words of answer and reference."""

from __future__ import annotations

from tuiftune.evaluate.overlap import rouge
from tuiftune.evaluate.scorers.base import Scorer

ROUGE_1 = Scorer(
    key="rouge1",
    order=70,
    name="ROUGE-1",
    does="F-measure of shared words",
    kind="mean",
    parts=rouge("rouge1"),
    tasks=frozenset({"text"}),
    packages=("rouge_score", "scipy"),
    source="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries",
)
