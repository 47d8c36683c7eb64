"""BLEU over all rows, by sacrebleu's tokenization and smoothing."""

from __future__ import annotations

from tuiftune.evaluate.overlap import bleu_counts, bleu_of
from tuiftune.evaluate.scorers.base import Scorer

BLEU = Scorer(
    key="bleu",
    order=73,
    name="BLEU",
    does="shared sequences of up to four words, over all rows",
    kind="sums",
    parts=bleu_counts,
    combine=bleu_of,
    unit="points",
    tasks=frozenset({"text"}),
    packages=("sacrebleu", "scipy"),
    source="Papineni et al. 2002, BLEU; sacrebleu: Post 2018, arXiv:1804.08771",
)
