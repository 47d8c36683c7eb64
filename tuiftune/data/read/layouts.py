"""Layouts that hold their rows in a form of their own (two scored answers, threads, intents with patterns)
rewritten, row by row, into columns that the judges know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.compared import compared, ranked, rejected_beside, two_outputs
from tuiftune.data.convert.scored import scored_sides
from tuiftune.data.convert.spoken import asking, asks, dialect_of, ended, turns_in
from tuiftune.data.detect.names import ABOUT, PAIRS, SYSTEM

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tuiftune.data.read.json_rows import Batch, Row

SPOKEN = ("text", "chat", "conversation", "conversations", "dialogue", "dialog", "messages", "content")
_SYSTEM_MARK = re.compile(r"\A\s*(?:SYSTEM|System):\s*")


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows` rewrites one row into none, one or several; what it leaves out is counted in the Counter."""

    evidence: str
    rows: Callable[[Row, Counter[str]], list[Row]]


def layout_of(sample: list[Row], named: str = "auto") -> Layout | None:
    """The layout that a sample of rows has, where it isn't one the judges read as it is. Where the user named
    a format, none that makes another of it.
    """
    if named == "text":
        return None
    first = next((row for row in sample if row), {})
    for judge in (_feedback, _judged, _spoken, _asked_aloud, _patterns, _paragraphs, _several_answers):
        if judge is _judged and named in ("chat", "sharegpt"):
            continue
        if judge is _asked_aloud and named not in ("auto", "chat", "sharegpt"):
            continue
        if found := judge(sample, first):
            return found
    return None


def rewritten(layout: Layout, batch: Batch, lost: Counter[str]) -> Batch:
    """A batch in the judges' columns; a row that became several keeps its number for each."""
    numbers: list[int] = []
    rows: list[Row] = []
    for number, row in zip(*batch, strict=True):
        made = layout.rows(row, lost)
        rows += made
        numbers += [number] * len(made)
    return numbers, rows


def _feedback(_: list[Row], first: Row) -> Layout | None:
    """Two outputs for one input, as a fine-tuning service takes them."""
    names = {"input", "preferred_output", "non_preferred_output"}
    if not names <= first.keys() or not isinstance(first["input"], dict):
        return None

    def rows(row: Row, _: Counter[str]) -> list[Row]:
        given = row.get("input")
        given = given if isinstance(given, dict) else {}
        rest = {name: value for name, value in row.items() if name not in names}
        made = {"messages": given.get("messages"), "chosen": row.get("preferred_output")}
        return [{**made, "rejected": row.get("non_preferred_output"), **_without(given, "messages"), **rest}]

    return Layout('"input" with "preferred_output" and "non_preferred_output"', rows)


def _judged(sample: list[Row], first: Row) -> Layout | None:
    """Answers that are compared with one another."""
    for judge in (scored_sides, rejected_beside, compared, ranked, two_outputs):
        if found := judge(sample, first):
            return Layout(*found)
    return None


def _spoken(sample: list[Row], first: Row) -> Layout | None:
    """One text column that holds conversations, written "### Human: … ### Assistant: …" or rendered."""
    lowered = {name.lower(): name for name in first}
    name = next(
        (lowered[held] for held in SPOKEN if held in lowered and isinstance(first[lowered[held]], str)), None
    )
    if name is None or lowered.keys() - {name.lower(), *SYSTEM} - ABOUT:
        return None
    texts = [row[name] for row in sample if isinstance(row.get(name), str) and row[name].strip()]
    dialect = dialect_of(texts)
    if dialect is None:
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        text = row.get(name)
        turns = turns_in(text, dialect, lost) if isinstance(text, str) else []
        made = {**_without(row, name), "messages": turns or text}
        for column in SYSTEM:
            if isinstance(system := made.get(column), str):
                made[column] = _SYSTEM_MARK.sub("", system)
        return [made]

    return Layout(f'the texts of "{name}" are conversations written as {dialect.name}', rows)


def _asked_aloud(sample: list[Row], first: Row) -> Layout | None:
    """A prompt that is written as a conversation up to the mark of its answer ("Human: … Assistant:")."""
    lowered = {name.lower().strip(): name for name in reversed(first)}
    pairs = ((lowered.get(left), lowered.get(right)) for left, right in PAIRS)
    found = next(((left, right) for left, right in pairs if left and right), None)
    if found is None:
        return None
    prompt, column = found
    texts = [row[prompt] for row in sample if isinstance(row.get(prompt), str) and row[prompt].strip()]
    dialect = asking(texts)
    if dialect is None:
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        text, said = row.get(prompt), row.get(column)
        turns = asks(text, dialect, lost) if isinstance(text, str) else []
        if not turns or not isinstance(said, str):
            return [row]
        if said != said.strip():
            lost["white space around the answers to a written conversation is dropped"] += 1
        rest = {name: value for name, value in row.items() if name not in found}
        answer = {"role": "assistant", "content": ended(said, lost).strip()}
        return [{**rest, "messages": [*turns, answer]}]

    return Layout(f'the texts of "{prompt}" are conversations written as {dialect.name}', rows)


def _patterns(_: list[Row], first: Row) -> Layout | None:
    """An intent with the sentences that mean it."""
    label = next(
        (name for name in ("tag", "intent", "label", "name") if isinstance(first.get(name), str)), None
    )
    names = ("patterns", "utterances", "examples", "sentences")
    texts = next((name for name in names if isinstance(first.get(name), list)), None)
    if label is None or texts is None or not all(isinstance(text, str) for text in first[texts]):
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        for name in row.keys() - {label, texts}:
            lost[f'"{name[:30]}" of an intent is dropped'] += 1
        said = row.get(texts)
        return [{"text": text, "label": row.get(label)} for text in (said if isinstance(said, list) else [])]

    return Layout(f'"{texts}" under each "{label}", one row per sentence', rows)


def _paragraphs(_: list[Row], first: Row) -> Layout | None:
    """Questions under paragraphs under articles, as reading-comprehension sets keep them."""
    held = first.get("paragraphs")
    if not isinstance(held, list) or not held or not isinstance(held[0], dict) or "qas" not in held[0]:
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        return [
            {
                "context": paragraph.get("context"),
                "question": asked.get("question"),
                "answer": _first(asked, lost),
            }
            for paragraph in row.get("paragraphs") or ()
            for asked in paragraph.get("qas") or ()
        ]

    return Layout('questions ("qas") under "paragraphs", one row per question', rows)


def _several_answers(sample: list[Row], first: Row) -> Layout | None:
    """A question with a list of answers that say the same."""
    if "question" not in first or "answer" in first or not isinstance(first.get("answers"), dict | list):
        return None
    if not any(_texts(row.get("answers")) for row in sample):
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        return [{**_without(row, "answers"), "answer": _first(row, lost)}]

    return Layout('"answers" has several, the first is used', rows)


def _first(asked: Row, lost: Counter[str]) -> str | None:
    texts = list(dict.fromkeys(_texts(asked.get("answers"))))
    if len(texts) > 1:
        lost["all answers except the first are dropped"] += len(texts) - 1
    return texts[0] if texts else None


def _texts(answers: Any) -> list[str]:
    if isinstance(answers, dict):
        answers = answers.get("text")
    if isinstance(answers, str):
        return [answers]
    found = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers or ()]
    return [text for text in found if isinstance(text, str)]


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}
