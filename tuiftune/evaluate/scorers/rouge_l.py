"""ROUGE-L: F-measure of the longest shared sequence of words of answer and reference."""

from __future__ import annotations

from tuiftune.evaluate.overlap import rouge
from tuiftune.evaluate.scorers.base import Scorer

ROUGE_L = Scorer(
    key="rougeL",
    order=69,
    name="ROUGE-L",
    does="F-measure of longest shared sequence of words",
    kind="mean",
    parts=rouge("rougeL"),
    tasks=frozenset({"text"}),
    leads=frozenset({"text"}),
    packages=("rouge_score", "scipy"),
    source="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries",
)
