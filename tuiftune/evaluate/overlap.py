"""Overlap of words and characters with a reference: ROUGE by rouge-score, BLEU and chrF by sacrebleu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.data.chat.reasoning import without
from tuiftune.evaluate import extras

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

ORDER = 4  # longest sequence of words that BLEU counts


def rouge(kind: str) -> Callable[[Sequence[Pair], str], list[Part | None]]:
    """Return the parts of a ROUGE: the F-measure of each row, with stemming as in the original package."""

    def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
        del argument
        scorer = extras.need("rouge_score.rouge_scorer", "ROUGE").RougeScorer([kind], use_stemmer=True)
        return [(float(scorer.score(without(pair.reference), pair.answer)[kind].fmeasure),) for pair in pairs]

    return parts


def chrf(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return chrF2 of each row, 0 to 100."""
    del argument
    scorer = extras.need("sacrebleu.metrics", "chrF").CHRF()
    return [(float(scorer.sentence_score(pair.answer, [without(pair.reference)]).score),) for pair in pairs]


def bleu_counts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return for each row: lengths of answer and reference, matches and sequences of one to four words."""
    del argument
    scorer = extras.need("sacrebleu.metrics", "BLEU").BLEU(effective_order=True)
    parts: list[Part | None] = []
    for pair in pairs:
        one = scorer.sentence_score(pair.answer, [without(pair.reference)])
        parts.append(tuple(map(float, (one.sys_len, one.ref_len, *one.counts, *one.totals))))
    return parts


def bleu_of(sums: Sequence[float]) -> float:
    """Return BLEU from the sums of `bleu_counts`."""
    whole = [round(number) for number in sums]
    kind = extras.need("sacrebleu.metrics", "BLEU").BLEU
    counts, totals = whole[2 : 2 + ORDER], whole[2 + ORDER :]
    return float(kind.compute_bleu(counts, totals, whole[0], whole[1]).score)
