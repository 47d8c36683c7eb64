"""Layouts that hold their rows in a form of their own (two scored answers, threads, intents with patterns)
rewritten, row by row, into columns that the judges know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from tuiftune.data.json_rows import Batch, Row

_SPOKEN = re.compile(r"(?:^|\s*)(?:### |<\|)(Human|User|Assistant|System|prompter|assistant)(?::|\|>)\s*")
_TWO_ANSWERS = (
    ("answer_0", "answer_1", "score_0", "score_1"),
    ("response_0", "response_1", "score_0", "score_1"),
    ("response_a", "response_b", "score_a", "score_b"),
    ("human_ref_a", "human_ref_b", "score_a", "score_b"),
)
_WINNERS = ("labels", "label", "preference", "winner", "safer_response_id", "better_response_id")


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows` rewrites one row into none, one or several; what it leaves out is counted in the Counter."""

    evidence: str
    rows: Callable[[Row, Counter[str]], list[Row]]


def layout_of(sample: list[Row]) -> Layout | None:
    """The layout that a sample of rows has, where it isn't one the judges read as it is."""
    first = next((row for row in sample if row), {})
    for judge in (_feedback, _compared, _spoken, _patterns, _paragraphs, _several_answers):
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


def _compared(_: list[Row], first: Row) -> Layout | None:
    """Two answers with scores, or with a word on which of them is better."""
    lowered = {name.lower(): name for name in first}
    if "chosen" in lowered or "rejected" in lowered:
        return None
    for left, right, *scored in _TWO_ANSWERS:
        if left not in lowered or right not in lowered:
            continue
        scores = [lowered[name] for name in scored if name in lowered]
        winner = next((lowered[name] for name in _WINNERS if name in lowered), None)
        if len(scores) == 2 or winner:
            return _comparison(lowered[left], lowered[right], scores if len(scores) == 2 else [], winner)
    return None


def _comparison(one: str, two: str, scores: list[str], winner: str | None) -> Layout:
    used = {one, two, *scores, *([winner] if winner else [])}
    first_is = 1 if one.lower() == "human_ref_a" else 0  # there 1 means the first

    def second_is_better(row: Row) -> bool | None:
        if scores:
            a, b = row.get(scores[0]), row.get(scores[1])
            if isinstance(a, int | float) and isinstance(b, int | float):
                return None if a == b else b > a
        said = row.get(winner) if winner else None
        if isinstance(said, str):
            said = {"a": 0, "b": 1, "0": 0, "1": 1, "model_a": 0, "model_b": 1}.get(said.lower().strip())
        return said != first_is if said in (0, 1) else None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        swap = second_is_better(row)
        if swap is None:
            lost["rows whose two answers are equally good are left out"] += 1
            return []
        rest = {name: value for name, value in row.items() if name not in used}
        for name in ("question", "prompt"):
            if isinstance(rest.get(name), dict):
                rest[name] = rest[name].get("full_text") or rest[name].get("text")
        if "history" in rest and "prompt" not in rest:
            rest["prompt"] = rest.pop("history")
        chosen, rejected = (two, one) if swap else (one, two)
        return [{**rest, "chosen": row.get(chosen), "rejected": row.get(rejected)}]

    by = " and ".join(f'"{name}"' for name in scores or [str(winner)])
    return Layout(f'"{one}" and "{two}", the better one by {by}', rows)


def _spoken(sample: list[Row], first: Row) -> Layout | None:
    """One text column that holds conversations, written "### Human: … ### Assistant: …"."""
    if "text" not in first or not isinstance(first["text"], str):
        return None
    if len(first) > 1 and not first.keys() <= {"text", "id", "source", "lang"}:
        return None
    texts = [row["text"] for row in sample if isinstance(row.get("text"), str)]
    if not texts or sum(len(_said(text)) > 1 for text in texts) < 0.9 * len(texts):
        return None

    def rows(row: Row, _: Counter[str]) -> list[Row]:
        text = row.get("text")
        turns = _said(text) if isinstance(text, str) else []
        return [{**_without(row, "text"), "messages": turns or text}]

    return Layout('the texts are conversations written with "### Human:" and "### Assistant:"', rows)


def _said(text: str) -> list[Row]:
    pieces = _SPOKEN.split(text)
    if len(pieces) < 5 or pieces[0].strip():
        return []
    return [
        {"role": role.lower(), "content": content.strip()}
        for role, content in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


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

    return Layout(f'"{texts}" under each "{label}", one row a sentence', rows)


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

    return Layout('questions ("qas") under "paragraphs", one row a question', rows)


def _several_answers(sample: list[Row], first: Row) -> Layout | None:
    """A question with a list of answers that say the same."""
    if "question" not in first or "answer" in first or not isinstance(first.get("answers"), dict | list):
        return None
    if not any(_texts(row.get("answers")) for row in sample):
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        return [{**_without(row, "answers"), "answer": _first(row, lost)}]

    return Layout('"answers" holds several, the first is taken', rows)


def _first(asked: Row, lost: Counter[str]) -> str | None:
    texts = list(dict.fromkeys(_texts(asked.get("answers"))))
    if len(texts) > 1:
        lost["answers beside the first are dropped"] += len(texts) - 1
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


def is_threads(sample: list[Row]) -> bool:
    """Whether the rows are single messages that name the one they answer."""
    first = next((row for row in sample if row), {})
    return {"message_id", "parent_id", "text", "role"} <= first.keys()


def threads(batches: Iterator[Batch], lost: Counter[str]) -> Batch:
    """Every way from a first message to a last one as a conversation, at the row of its last message.

    Where a message was answered more than once, all ways are kept, so early turns repeat.
    """
    held: dict[Any, tuple[int, Row]] = {}
    for numbers, rows in batches:
        for number, row in zip(numbers, rows, strict=True):
            held[row.get("message_id")] = (number, row)
    answered = {row.get("parent_id") for _, row in held.values()}
    made_numbers: list[int] = []
    made: list[Row] = []
    for name, (number, row) in held.items():
        if name in answered:
            continue
        path: list[Row] = []
        seen: set[Any] = set()
        step: Row | None = row
        whole = True
        while step is not None and step.get("message_id") not in seen:
            seen.add(step.get("message_id"))
            path.append({"role": step.get("role"), "content": step.get("text")})
            above = step.get("parent_id")
            whole = above is None or above in held
            step = held[above][1] if above in held else None
        if not whole:
            lost["threads whose beginning is not in the file are left out"] += 1
            continue
        path.reverse()
        while path and str(path[-1]["role"]).lower() in ("prompter", "user", "human"):
            path.pop()
            lost["a last message that nobody answered is left out"] += 1
        if path:
            made_numbers.append(number)
            made.append({"messages": path, **({"lang": row["lang"]} if "lang" in row else {})})
    return made_numbers, made
