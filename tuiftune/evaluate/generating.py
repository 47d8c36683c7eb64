"""New rows from a language model, from seed rows or passages: read, checked, and without duplicates.

Source of asking with seed rows and dropping near-duplicates: Wang et al. 2023, Self-Instruct,
arXiv:2212.10560.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.data.example import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = 3  # seed rows in a request
WANTED = 5  # rows asked for in a request
LEAST_GROUND = 0.6  # share of an answer's longer words that stand in its passage
LONG_WORD = 4  # characters
RATED = re.compile(r"\b([1-5])\b")
_WORD = re.compile(r"\w+", re.UNICODE)
FORM = 'one JSON object a line, {"prompt": "…", "completion": "…"}, and nothing else'
RATE = """Rate this row of training data from 1 to 5. 5: the answer is correct, complete, clear and does what
is asked; 3: usable with flaws; 1: wrong, empty or off topic. Answer with the number alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt, its answer, and where it came from."""

    prompt: str
    completion: str
    source: str

    def document(self, by: str) -> dict[str, Any]:
        """Return the row that is written: marked, so that it is never taken for one of the user's own."""
        return {
            "prompt": self.prompt,
            "completion": self.completion,
            "generated": {"by": by, "from": self.source},
        }


@dataclass(frozen=True, slots=True)
class Request:
    """What the model is asked for, where that came from, and the passage that answers must rest on."""

    messages: tuple[Message, ...]
    source: str
    passage: str = ""


def from_seeds(seeds: Sequence[tuple[int, str, str]], count: int, seed: int) -> list[Request]:
    """Return requests for rows like the seeds (row, prompt, answer), each with other examples."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        shown = rng.sample(list(seeds), min(SHOWN, len(seeds)))
        lines = "\n".join(
            documents_line({"prompt": prompt, "completion": answer}) for _, prompt, answer in shown
        )
        text = (
            f"Write {WANTED} new rows of training data like these, on other subjects and in other words "
            f"(set {number + 1}):\n\n{lines}\n\nWrite {FORM}."
        )
        rows = ", ".join(str(row) for row, _, _ in shown)
        made.append(Request((Message("user", text),), f"seed rows {rows}"))
    return made


def from_passages(passages: Sequence[tuple[str, str]], count: int) -> list[Request]:
    """Return requests for questions that passages (place, text) answer, evenly over all passages."""
    made = []
    for number in range(count):
        place, text = passages[number * len(passages) // count]
        asked = (
            f"Write {WANTED} questions that the text below answers, with their answers. Use nothing but the "
            f"text.\n\n{text}\n\nWrite {FORM}."
        )
        made.append(Request((Message("user", asked),), place, text))
    return made


def read(answer: str, request: Request) -> tuple[list[Pair], int]:
    """Return the rows in an answer, and how many lines were none."""
    found, faulty = [], 0
    for line in answer.splitlines():
        text = line.strip().strip(",").removeprefix("```json").strip("`").strip()
        if not text or text in "[]":
            continue
        try:
            row = documents.loads(text)
            prompt, completion = row["prompt"], row["completion"]
        except (ValueError, KeyError, TypeError):
            faulty += 1
            continue
        if isinstance(prompt, str) and isinstance(completion, str) and prompt.strip() and completion.strip():
            found.append(Pair(prompt.strip(), completion.strip(), request.source))
        else:
            faulty += 1
    return found, faulty


def grounded(pair: Pair, passage: str) -> bool:
    """Return True if most of an answer's longer words stand in its passage, or it has none."""
    words = {word.casefold() for word in _WORD.findall(pair.completion) if len(word) >= LONG_WORD}
    if not words:
        return pair.completion.casefold() in passage.casefold()
    held = {word.casefold() for word in _WORD.findall(passage)}
    return len(words & held) / len(words) >= LEAST_GROUND


def new_ones(pairs: Sequence[Pair], known: Iterable[tuple[str, str]]) -> list[Pair]:
    """Return the rows that are not equal or nearly equal to a known one or to an earlier one.

    Near: prompts and answers share 70% of their 3-word phrases.
    """
    import polars as pl

    from tuiftune.data.similar.near import near_pairs

    old = [_plain(prompt, answer) for prompt, answer in known]
    seen = set(old)
    fresh: list[Pair] = []
    for pair in pairs:
        text = _plain(pair.prompt, pair.completion)
        if text not in seen:
            seen.add(text)
            fresh.append(pair)
    texts = pl.Series([*old, *(_plain(one.prompt, one.completion) for one in fresh)], dtype=pl.String)
    late = {int(max(pair)) for pair in near_pairs(texts).pairs}
    return [one for at, one in enumerate(fresh) if len(old) + at not in late]


def rating(prompt: str, answer: str) -> tuple[Message, ...]:
    """Return what a judge is sent to rate a row."""
    return Message("system", RATE), Message("user", f"Prompt:\n{prompt}\n\nAnswer:\n{answer}")


def rated(text: str) -> int | None:
    """Return the rating in a judge's answer: its last number from 1 to 5; None if it has none."""
    found = RATED.findall(text)
    return int(found[-1]) if found else None


def documents_line(row: dict[str, str]) -> str:
    """Return a row as a JSON line."""
    import json

    return json.dumps(row, ensure_ascii=False)


def _plain(prompt: str, answer: str) -> str:
    return " ".join(f"{prompt}\n{answer}".lower().split())
