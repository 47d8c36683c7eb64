"""Continued pre-training: documents split at max_length, of which every token is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.engine.stages.sft import Supervised
from tuiftune.evaluate.contender import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.data.chat.tokenize import Tokens
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer

BEGINNING = 64  # tokens of a document that is to be continued, at most, and half of it
CONTINUED = 64  # new tokens


class Pretraining(Supervised):
    """The next token's trainer, over documents and pieces of documents. Each document ends with the
    end-of-text token; in a packed sequence none attends to another.
    """

    cut = "split"

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Tokens]:
        return [piece for row in tokenizer.rows(examples) for piece in _pieces(row, tokenizer.max_length)]

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        """Beginnings of documents, which a model continues; the reference is how they go on."""
        asked = []
        for example in examples[:rows]:
            row = tokenizer.rows([example])[0]
            size = min(BEGINNING, len(row.ids) // 2)
            if not size:
                continue
            rest = [*row.ids[size:], *row.beyond][:CONTINUED]
            text, reference = (tokenizer.answer(ids).answer for ids in (row.ids[:size], rest))
            asked.append(Question(text, row.ids[:size], reference, example.row))
        return asked

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return CONTINUED, 0


def _pieces(row: Tokens, length: int) -> Iterator[Tokens]:
    """A document's tokens, so many at a time; all of them are trained."""
    ids, mask = [*row.ids, *row.beyond], [*row.mask, *row.beyond_mask]
    for start in range(0, len(ids), length):
        part, learnt = ids[start : start + length], mask[start : start + length]
        yield replace(
            row, ids=part, mask=learnt, length=len(part), learnt=sum(learnt), beyond=[], beyond_mask=[]
        )


STAGE = Pretraining()
