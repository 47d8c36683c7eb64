"""What kind of task rows are, from their reference answers: which metrics make sense, and why."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import final_number
from tuiftune.data import labels
from tuiftune.data.chat.reasoning import without
from tuiftune.errors import UserError
from tuiftune.evaluate import parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = ("labels", "number", "tool_call", "json", "short", "text")
MOST_LABELS = 200  # distinct answers up to which they are taken as labels
LONGEST_LABEL = 60  # characters
ROWS_A_LABEL = 3  # labels repeat: at least so many rows for each on average
MOST = 0.9  # share of the references that must have a form
SHORT_WORDS = 12  # median words of a reference up to which its wording is its content
_NUMBER = re.compile(r"[-+$€£]?\s*[\d.,]*\d(?:/\d+|[eE][-+]?\d+)?\s*%?")


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of task, why the rows are of it, and its labels if it has some."""

    kind: str
    why: str
    labels: tuple[str, ...] = ()


def task_of(references: Sequence[str], others: Sequence[str] = ()) -> Task:
    """Return the kind of task that rows with these references are; `others`: references of training rows.

    Raises:
        UserError: if no reference holds text.
    """
    told = [text for one in references if (text := without(one).strip())]
    more = [text for one in others if (text := without(one).strip())]
    if not told:
        raise UserError("has no reference answers to compare with", place="--data", remedy="add the answers")
    every = [*told, *more]
    if found := _labels(every):
        spelled = len(set(every))
        also = f" ({spelled} spellings: case and punctuation do not count)" if spelled > len(found) else ""
        why = f"{len(found)} short answers repeat over {len(every):,} rows, so they are labels{also}"
        return Task("labels", why, found)
    forms = (
        ("number", final_number.marked, "end in a number after ####"),
        ("tool_call", parsed.tool_calls, "call tools"),
        ("json", parsed.answer_json, "are JSON"),
        ("number", _bare_number, "are numbers"),
    )
    for kind, form, says in forms:
        share = sum(form(text) is not None for text in told) / len(told)
        if share >= MOST:
            return Task(kind, f"{share:.0%} of the reference answers {says}")
    words = sorted(len(text.split()) for text in told)
    median = words[len(words) // 2]
    if median <= SHORT_WORDS:
        return Task("short", f"half of the reference answers have at most {median} words")
    return Task("text", f"half of the reference answers have {median} words or more, so wording varies")


def _labels(answers: Sequence[str]) -> tuple[str, ...]:
    """Return the labels, most frequent first, if the distinct answers are few, short and repeat."""
    counts = dict(labels.counted(Counter(answers).items()))
    few = 2 <= len(counts) <= min(MOST_LABELS, len(answers) // ROWS_A_LABEL)
    if not few or max(map(len, counts)) > LONGEST_LABEL:
        return ()
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def _bare_number(text: str) -> str | None:
    return text if _NUMBER.fullmatch(text) else None
