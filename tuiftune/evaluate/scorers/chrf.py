"""chrF: F-measure of shared characters, the mean over rows. Needs no words, so it suits every language."""

from __future__ import annotations

from tuiftune.evaluate.overlap import chrf
from tuiftune.evaluate.scorers.base import Scorer

CHRF = Scorer(
    key="chrf",
    order=72,
    name="chrF",
    does="F-measure of shared character sequences, mean over rows",
    kind="mean",
    parts=chrf,
    unit="points",
    tasks=frozenset({"text", "short"}),
    packages=("sacrebleu", "scipy"),
    source="Popović 2015, chrF; sacrebleu: Post 2018, arXiv:1804.08771",
)
