"""What is asked about rows in the tokenizer's own process: functions of a `RowTokenizer`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.data.chat import pairs
from tuiftune.data.chat.pairs import Pair as Compared
from tuiftune.data.chat.template import SENTINEL
from tuiftune.data.chat.words import Remark, remarks
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.data.chat.tokenize import RowTokenizer, Tokens
    from tuiftune.data.example import Example

Pair = tuple[int, int]
Refusal = tuple[int, str]  # a row's number, and why


@dataclass(frozen=True, slots=True)
class Manners:
    """What is known of a template without a row. `method`: how answers are told from prompts; `tokens`: how
    many the tokenizer has.
    """

    own_template: bool
    method: str
    remarks: tuple[Remark, ...]
    special: tuple[str, ...]
    tokens: int


def manners(tokenizer: RowTokenizer) -> Manners:
    """Return facts of the chat template, and the special tokens of the tokenizer."""
    added = tokenizer.backend.get_added_tokens_decoder().values()
    special = tuple(token.content for token in added if token.special)
    tokens = tokenizer.backend.get_vocab_size()
    return Manners(tokenizer.own_template, tokenizer.chat.method, tuple(remarks(tokenizer)), special, tokens)


def lengths(
    tokenizer: RowTokenizer, examples: Sequence[Example]
) -> tuple[list[Pair], list[Refusal], int, int]:
    """(tokens, trained tokens) of each row; what the template said of those that it rejected, of which the
    bare text is counted; how many rows' answers it leaves out; and how many reason after it has closed the
    reasoning.

    Of a comparison the tokens are those of the longer side, the trained tokens those of both.
    """
    refusals: list[Refusal] = []
    rows = _rows(tokenizer, examples, refusals)
    dropped = sum(
        all(one.rendered.rewritten > 0 and _left_out(tokenizer, side) for one, side in _sides(row, example))
        for row, example in zip(rows, examples, strict=True)
    )
    late = sum(any(side.rendered.late for side in row.sides) for row in rows)
    return [(row.length, row.learnt) for row in rows], refusals, dropped, late


def _sides(row: Tokens | Compared, example: Example) -> list[tuple[Tokens, Example]]:
    """A row with its example; of a comparison, each side with its own."""
    each = example.sides() if isinstance(row, Compared) else (example,)
    return list(zip(row.sides, each, strict=True))


def _left_out(tokenizer: RowTokenizer, example: Example) -> bool:
    """Whether other answers give the same text."""
    shown = tokenizer.template.render
    messages = example.messages or ()
    others = [replace(one, content=SENTINEL) if one.role == "assistant" else one for one in messages]
    return shown(messages) == shown(others)


def completion_lengths(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Pair]:
    """(tokens of the answer, tokens written around it) of each row that the template takes."""
    try:
        return tokenizer.completion_lengths(examples)
    except UserError:
        pass
    found = []
    for example in examples:
        try:
            found += tokenizer.completion_lengths([example])
        except UserError:
            continue  # the template check names this row
    return found


def kept(
    tokenizer: RowTokenizer, examples: Sequence[Example], max_length: int
) -> list[tuple[int, int, bool]]:
    """Return (trained tokens, those within max length, whether none remains) of each row."""
    found = []
    for row in _rows(tokenizer, examples, []):
        within = sum(sum(side.mask[:max_length]) for side in row.sides)
        found.append((row.learnt, within, any(not any(side.mask[1:max_length]) for side in row.sides)))
    return found


def untrained(tokenizer: RowTokenizer, examples: Sequence[Example], max_length: int) -> list[bool]:
    """Whether training leaves each row out at this length: a side keeps no trained token, or both answers of
    a comparison begin with the same tokens up to it.
    """
    found = []
    for row in _rows(tokenizer, examples, []):
        bare = any(not any(side.mask[1:max_length]) for side in row.sides)
        first, *others = (side.ids[:max_length] for side in row.sides)
        found.append(bare or first in others)
    return found


def unanswered(tokenizer: RowTokenizer, examples: Sequence[Example], max_length: int) -> list[bool]:
    """Whether each prompt is empty, or leaves no token for an answer."""
    return [not 0 < len(tokenizer.prompt(row.prompt)) < max_length for row in examples]


def judged(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[tuple[str, tuple[str, ...]]]:
    """(why the template refuses it, else the names of the checks it fails) of each row."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for example in examples:
        try:
            (row,) = pairs.rows(tokenizer, [example])
        except UserError as fault:
            found.append((fault.message, ()))
        else:
            told = [fault for side, of in _sides(row, example) for fault in _faults(tokenizer, of, side)]
            found.append(("", tuple(dict.fromkeys(told))))
    return found


def _rows(
    tokenizer: RowTokenizer, examples: Sequence[Example], refusals: list[Refusal]
) -> list[Tokens | Compared]:
    try:
        return pairs.rows(tokenizer, examples)
    except UserError:
        return [_row(tokenizer, example, refusals) for example in examples]


def _row(tokenizer: RowTokenizer, example: Example, refusals: list[Refusal]) -> Tokens | Compared:
    try:
        return pairs.rows(tokenizer, [example])[0]
    except UserError as fault:
        refusals.append((example.row, fault.message))
        text = "\n".join(message.content for message in example.messages or ())
        return tokenizer.rows([replace(example, messages=None, chosen=None, text=text)])[0]


def _faults(tokenizer: RowTokenizer, example: Example, row: Tokens) -> Iterator[str]:
    bos = tokenizer.template.special.get("bos_token", "")
    if bos and row.text.startswith(bos + bos):
        yield "double-bos"
    if example.messages is None:
        return
    if row.rendered.spans and not _ended(row, set(tokenizer.stop_tokens())):
        yield "endless-answers"
    if row.rendered.late:
        yield "reasoning-late"
    elif row.rendered.kept:
        yield "reasoning-kept"
    if row.rendered.cut:
        yield "reasoning-cut"
    if row.rendered.rewritten:
        yield "answers-rewritten"
    if row.rendered.dropped:
        yield "messages-dropped"
    if tokenizer.written.changed(row.text, row.encoded, trust=False):
        yield "text-changed"


def _ended(row: Tokens, stops: set[int]) -> bool:
    """Whether the last trained tokens hold one that ends an answer (white space may stand around it)."""
    start = row.rendered.start
    if start is None or row.rendered.spans[-1][1] <= start:
        return True  # the row ends with another message, or keeps its last answer out of the loss
    learnt = [token for token, on in zip(row.ids, row.mask, strict=True) if on]
    return any(token in stops for token in learnt[-4:])
