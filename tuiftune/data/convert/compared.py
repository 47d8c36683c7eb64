"""Answers to one question that are compared: two with a winner or scores, or a ranked list of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.turns import items_of, role_of
from tuiftune.data.detect import thumbs
from tuiftune.data.detect.formats import ColumnsError
from tuiftune.data.detect.names import (
    CHOSEN,
    CONTENT_KEYS,
    INSTRUCTION,
    INSTRUCTION_ANSWERS,
    MESSAGES,
    REJECTED,
    ROLE_NAMES,
)
from tuiftune.data.read.cells import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.data.read.json_rows import Row

    Rewriting = tuple[str, Callable[[Row, Counter[str]], list[Row]]]

_STEMS = ("answer", "response", "human_ref", "output", "completion", "conversation", "generation", "reply")
_ENDINGS = (("_0", "_1"), ("_a", "_b"), ("_1", "_2"), ("0", "1"), ("1", "2"))
_SCORES = ("score", "rating", "reward")
_WINNERS = (
    "labels", "label", "preference", "winner", "safer_response_id", "better_response_id", "preferred",
    "choice", "preference_strength", "overall_preference", "better", "vote",
)  # fmt: skip
_STRENGTHS = ("preference_strength", "overall_preference")  # below 0 the first, above 0 the second
_LISTS = ("completions", "responses", "answers", "outputs", "generations", "candidates", "replies")
_RANKS = ("rank", "ranks", "ranking", "rankings")  # 1 is the best
_GRADES = (
    "score",
    "scores",
    "rating",
    "ratings",
    "overall_score",
    "reward",
    "rewards",
    "grade",
    "label",
    "labels",
)
_TIES = "rows with two equally good answers are dropped"


def compared(sample: list[Row], first: Row) -> Rewriting | None:
    """Two answers with scores, or with a word on which of them is better."""
    lowered = {name.lower(): name for name in first}
    if any(name in lowered for name in ("chosen", "rejected")):
        return None
    for stem in _STEMS:
        for endings in _ENDINGS:
            left, right = (lowered.get(stem + ending) for ending in endings)
            if left is None or right is None:
                continue
            marks = [ending.strip("_") for ending in endings]
            ways = [
                [lowered.get(f"{score}_{mark}") or lowered.get(f"{stem}_{mark}_{score}") for mark in marks]
                for score in _SCORES
            ]
            scores = next(([str(name) for name in way] for way in ways if all(way)), [])
            winner = next((lowered[name] for name in _WINNERS if name in lowered), None)
            if winner and not scores:
                _refuse_unsure(sample, winner, marks, left, right)
            if scores or winner:
                return _comparison(left, right, marks, scores, winner)
    return None


def _refuse_unsure(sample: list[Row], winner: str, marks: list[str], one: str, two: str) -> None:
    """ColumnsError where 0 and 1 tell which of the answers 1 and 2 is better: it may count them from 0, or
    say whether the first one is.
    """
    said = {thumbs.plain(row[winner]) for row in sample if row.get(winner) is not None}
    if marks == ["1", "2"] and said and said <= {"0", "1", "true", "false"} and len(said) > 1:
        raise ColumnsError(
            f'"{winner}" is {" or ".join(sorted(said))}: which of "{one}" and "{two}" it means is not clear',
            remedy=f'write 1 or 2, or "{one}" or "{two}", into it; or name the columns chosen and rejected',
        )


def _comparison(one: str, two: str, marks: list[str], scores: list[str], winner: str | None) -> Rewriting:
    used = {one, two, *scores, *([winner] if winner else [])}
    words = {
        marks[0]: False,
        marks[1]: True,
        one.lower(): False,
        two.lower(): True,
        "first": False,
        "second": True,
    }
    words |= {"a": False, "b": True, "model_a": False, "model_b": True}
    if one.lower() == "human_ref_a":
        words |= {"1": False, "0": True}  # there 1 means the first
    elif marks == ["a", "b"]:
        words |= {"0": False, "1": True}

    def second_is_better(row: Row) -> bool | None:
        if scores:
            a, b = (_number(row.get(name)) for name in scores)
            if a is not None and b is not None:
                return None if a == b else b > a
        said = row.get(winner) if winner else None
        if winner and winner.lower() in _STRENGTHS:
            strength = _number(said)
            return None if not strength else strength > 0
        return words.get(str(said).lower().strip()) if said is not None else None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        swap = second_is_better(row)
        if swap is None:
            lost[_TIES] += 1
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
    return f'"{one}" and "{two}", the better one by {by}', rows


def ranked(sample: list[Row], first: Row) -> Rewriting | None:
    """A list of answers with their ranks or scores, within the list or in another column."""
    lowered = {name.lower(): name for name in first}
    for key in _LISTS:
        name = lowered.get(key)
        held = next(
            (row[name] for row in sample if name and isinstance(row.get(name), list) and row[name]), None
        )
        if name is None or held is None:
            continue
        inner = {str(part).lower() for part in held[0]} if isinstance(held[0], dict) else set()
        by = next((word for word in (*_RANKS, *_GRADES) if word in inner), None)
        lists = (
            lowered[word]
            for word in (*_RANKS, *_GRADES)
            if isinstance(first.get(lowered.get(word, "")), list)
        )
        beside = None if by else next(lists, None)
        if key == "completions" and not by and beside and _only_booleans(sample, beside):
            raise ColumnsError(
                f'"{name}" with true or false in "{beside}" may be the steps of one answer, which cannot be '
                "trained on (process supervision)",
                remedy=f'if they are answers to choose from, name the column "answers" instead of "{name}"',
            )
        if by or beside:
            found = _ranking(name, by, beside)
            if any(found[1](row, Counter()) for row in sample):
                return found
    return None


def _only_booleans(sample: list[Row], name: str) -> bool:
    lists = [row[name] for row in sample if isinstance(row.get(name), list)]
    return all(isinstance(value, bool) for values in lists for value in values)


def _ranking(name: str, by: str | None, beside: str | None) -> Rewriting:
    sign = -1 if (by or str(beside).lower()) in _RANKS else 1

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        answers = [_answer(answer) for answer in row.get(name) or ()]
        said = row.get(beside) if beside else [_inner(answer, str(by)) for answer in row.get(name) or ()]
        numbers = [_number(value) for value in said] if isinstance(said, list) else []
        graded = sorted(
            (
                (sign * number, answer)
                for number, answer in zip(numbers, answers, strict=False)
                if number is not None
            ),
            key=lambda one: one[0],
        )
        if len(graded) < 2 or graded[0][0] == graded[-1][0] or len(numbers) != len(answers):
            lost["rows without a best and a worst answer are dropped"] += 1
            return []
        if len(graded) > 2:
            lost["answers between the best and the worst are dropped"] += len(graded) - 2
        rest = {key: value for key, value in row.items() if key not in (name, beside)}
        return [{**rest, "chosen": graded[-1][1], "rejected": graded[0][1]}]

    return f'"{name}" holds answers, the best and the worst by "{by or beside}"', rows


def two_outputs(sample: list[Row], first: Row) -> Rewriting | None:
    """An instruction with a list of two outputs, of which the first is the better one."""
    lowered = {name.lower(): name for name in first}
    output = next((lowered[name] for name in INSTRUCTION_ANSWERS if name in lowered), None)
    if output is None or not any(name in lowered for name in (*INSTRUCTION, "prompt", "question")):
        return None
    held = [row[output] for row in sample if not is_missing(row.get(output))]
    if not held or not all(_two_texts(two) for two in held):
        return None

    def rows(row: Row, _: Counter[str]) -> list[Row]:
        two: Any = row.get(output) if _two_texts(row.get(output)) else (None, None)
        rest = {name: value for name, value in row.items() if name != output}
        return [{**rest, "chosen": two[0], "rejected": two[1]}]

    return f'"{output}" holds two answers, the first taken as the better one', rows


def _two_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def rejected_beside(sample: list[Row], first: Row) -> Rewriting | None:
    """A conversation whose last answer is the chosen one, with a rejected answer."""
    lowered = {name.lower(): name for row in reversed(sample) for name in row}
    rejected = next((lowered[name] for name in REJECTED if name in lowered), None)
    messages = next((lowered[name] for name in MESSAGES if name in lowered), None)
    if rejected is None or messages is None or any(name in lowered for name in CHOSEN):
        return None
    if not any(isinstance(row.get(rejected), str | list | dict) for row in sample):
        return None
    if not any(turns and _answers(turns[-1]) for turns in (_turns(row.get(messages)) for row in sample)):
        return None

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        turns, worse = _turns(row.get(messages)), row.get(rejected)
        if isinstance(worse, list) and worse and all(isinstance(text, str) for text in worse):
            if len(worse) > 1:
                lost["all rejected answers except the first are dropped"] += len(worse) - 1
            worse = worse[0]
        rest = {name: value for name, value in row.items() if name not in (messages, rejected)}
        at = len(turns) - 1
        if isinstance(worse, list) and worse and isinstance(worse[0], dict):
            if not _answers(worse[0]):
                return [{**rest, "chosen": turns, "rejected": worse}]
            while at > 0 and role_of(turns[at - 1]) not in ("user", "human"):
                at -= 1
        return [{**rest, "messages": turns[:at], "chosen": turns[at:], "rejected": worse}]

    return f'the last answer of "{messages}" is the better one, "{rejected}" the worse', rows


def _turns(value: Any) -> list[Any]:
    return [turn for turn in items_of(value) or [] if isinstance(turn, dict)]


def _answers(turn: Row) -> bool:
    return ROLE_NAMES.get(str(role_of(turn)).lower().strip()) == "assistant"


def _answer(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return answer
    names = ("answer", "response", "output", "completion", *CONTENT_KEYS)
    return next((answer[name] for name in names if answer.get(name)), None)


def _inner(answer: Any, by: str) -> Any:
    if not isinstance(answer, dict):
        return None
    return next((value for name, value in answer.items() if str(name).lower() == by), None)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
