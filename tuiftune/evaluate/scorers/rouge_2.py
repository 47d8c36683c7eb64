"""ROUGE-2: F-measure of the shared pairs of words of answer and reference."""

from __future__ import annotations

from tuiftune.evaluate.overlap import rouge
from tuiftune.evaluate.scorers.base import Scorer

ROUGE_2 = Scorer(
    key="rouge2",
    order=71,
    name="ROUGE-2",
    does="F-measure of shared pairs of words",
    kind="mean",
    parts=rouge("rouge2"),
    tasks=frozenset({"text"}),
    packages=("rouge_score", "scipy"),
    source="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries",
)
