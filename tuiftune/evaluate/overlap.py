"""Overlap of words and characters with a reference: ROUGE by rouge-score, BLEU and chrF by sacrebleu."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import category

from tuiftune.data.chat.reasoning import without
from tuiftune.evaluate import extras

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

ORDER = 4  # longest sequence of words that BLEU counts


# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han. Each character is a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_STEMMED = 4  # letters of an English word from which on the original package stems it


class Words:
    """The words of a text in any script, for ROUGE. English ones are those of the original package, which
    drops every letter beyond a to z: a perfect answer in Russian or Chinese had no words, and scored 0.
    """

    def __init__(self) -> None:
        self._stem = extras.need("nltk.stem.porter", "ROUGE").PorterStemmer().stem

    def tokenize(self, text: str) -> list[str]:
        """Return the words in lower case, English ones as their stems."""
        spaced = _UNSPACED.sub(r" \g<0> ", text.lower())
        kept = (one if one.isalnum() or category(one)[0] == "M" else " " for one in spaced)
        words = "".join(kept).split()
        return [self._stem(word) if word.isascii() and len(word) >= _STEMMED else word for word in words]


def rouge(kind: str) -> Callable[[Sequence[Pair], str], list[Part | None]]:
    """Return the parts of a ROUGE: the F-measure of each row, with stemming as in the original package. A
    reference without words (a sign, an emoji) is not scored.
    """

    def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
        del argument
        words = Words()
        scorer = extras.need("rouge_score.rouge_scorer", "ROUGE").RougeScorer([kind], tokenizer=words)
        wanted = [without(pair.reference) for pair in pairs]
        return [
            (float(scorer.score(reference, pair.answer)[kind].fmeasure),)
            if words.tokenize(reference)
            else None
            for reference, pair in zip(wanted, pairs, strict=True)
        ]

    return parts


def chrf(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return chrF2 of each row, 0 to 100."""
    del argument
    scorer = extras.need("sacrebleu.metrics", "chrF").CHRF()
    return [(float(scorer.sentence_score(pair.answer, [without(pair.reference)]).score),) for pair in pairs]


def bleu_counts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return for each row: lengths of answer and reference, matches and sequences of one to four words."""
    del argument
    wanted = "".join(pair.reference for pair in pairs)
    unspaced = len(_UNSPACED.findall(wanted)) > len(wanted) / 4
    how = {"tokenize": "char"} if unspaced else {}  # else a sentence would be one word
    scorer = extras.need("sacrebleu.metrics", "BLEU").BLEU(effective_order=True, **how)
    parts: list[Part | None] = []
    for pair in pairs:
        one = scorer.sentence_score(pair.answer, [without(pair.reference)])
        parts.append(tuple(map(float, (one.sys_len, one.ref_len, *one.counts, *one.totals))))
    return parts


def bleu_of(sums: Sequence[float]) -> float:
    """Return BLEU from the sums of `bleu_counts`. Where no row has four words, of as many as there are."""
    whole = [round(number) for number in sums]
    kind = extras.need("sacrebleu.metrics", "BLEU").BLEU
    counts, totals = whole[2 : 2 + ORDER], whole[2 + ORDER :]
    return float(kind.compute_bleu(counts, totals, whole[0], whole[1], effective_order=True).score)
