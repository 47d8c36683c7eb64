"""Retrieval by BM25 over passages or training rows, by bm25s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.evaluate import extras

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = r"(?u)\b\w+\b"


class Bm25:
    """Texts that can be searched. Source: Robertson and Zaragoza 2009; bm25s: arXiv:2407.03618."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._library = extras.need("bm25s", "retrieval")
        self._size = len(texts)
        self._index = self._library.BM25()
        self._index.index(self._tokens(texts), show_progress=False)

    def find(self, queries: Sequence[str], many: int) -> list[list[int]]:
        """Return for each query the positions of the nearest texts, best first, without those that share no
        word with it.
        """
        if not queries or not self._size:
            return [[] for _ in queries]
        places, scores = self._index.retrieve(
            self._tokens(queries), k=min(many, self._size), show_progress=False, return_as="tuple"
        )
        return [
            [int(place) for place, score in zip(row, values, strict=True) if score > 0]
            for row, values in zip(places, scores, strict=True)
        ]

    def _tokens(self, texts: Sequence[str]) -> Any:
        return self._library.tokenize(
            [text or " " for text in texts],
            token_pattern=WORDS,
            stopwords=None,
            return_ids=False,
            show_progress=False,
        )
