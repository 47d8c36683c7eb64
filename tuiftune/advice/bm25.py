"""BM25 ranking in plain Python: good enough to see whether the documents hold the answers.

Robertson and Zaragoza 2009, with Lucene's non-negative idf; k1 = 1.5 and b = 0.75 are the usual start.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

K1, B = 1.5, 0.75
_WORD = re.compile(r"\w+", re.UNICODE)


def words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document; `line` counts from 1."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; `score` compares within one question only. `matched`: the question's words in it."""

    passage: Passage
    score: float
    matched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Passages with an inverted index: word → (passage number, count)."""

    passages: tuple[Passage, ...]
    postings: dict[str, list[tuple[int, int]]] = field(repr=False)
    lengths: tuple[int, ...] = field(repr=False)

    @property
    def mean_length(self) -> float:
        return sum(self.lengths) / len(self.lengths) if self.lengths else 0.0

    @property
    def vocabulary(self) -> int:
        return len(self.postings)


def build(passages: Sequence[Passage]) -> Index:
    """Index passages in their order."""
    postings: dict[str, list[tuple[int, int]]] = {}
    lengths = []
    for number, passage in enumerate(passages):
        counts = Counter(words(passage.text))
        lengths.append(sum(counts.values()))
        for word, count in counts.items():
            postings.setdefault(word, []).append((number, count))
    return Index(tuple(passages), postings, tuple(lengths))


def search(index: Index, query: str, many: int = 5) -> list[Hit]:
    """The passages nearest to a question, best first; fewer than `many` where fewer share a word with it."""
    scores: Counter[int] = Counter()
    matched: dict[int, list[str]] = {}
    total, mean = len(index.passages), index.mean_length or 1.0
    for word in dict.fromkeys(words(query)):
        found = index.postings.get(word, [])
        rarity = math.log(1 + (total - len(found) + 0.5) / (len(found) + 0.5))
        for number, count in found:
            saturated = count * (K1 + 1) / (count + K1 * (1 - B + B * index.lengths[number] / mean))
            scores[number] += rarity * saturated  # type: ignore[assignment]  # a Counter of floats
            matched.setdefault(number, []).append(word)
    best = heapq.nsmallest(many, scores.items(), key=lambda item: (-item[1], item[0]))
    return [Hit(index.passages[number], float(score), tuple(matched[number])) for number, score in best]
