"""A request log reviewed by a person: each answer is kept, corrected or dropped, and rows come of it.

Decisions are kept one by one in a file next to the log, so that a review continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from tuiftune import documents, paths
from tuiftune.chat.record import PRIVATE, append
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

Verdict = Literal["keep", "correct", "drop"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Logged:
    """One answered request of a log. `key` tells it from others: equal ones are reviewed once."""

    key: str
    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()

    @property
    def answer(self) -> str:
        """The answer's text."""
        return str(self.messages[-1].get("content") or "")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person said of one. `answer`: the one that it should have been, if it was corrected."""

    verdict: Verdict
    answer: str = ""


def read(log: Path) -> list[Logged]:
    """The answered requests of a log, equal ones once. UserError names the line that is none."""
    paths.require(log)
    found: dict[str, Logged] = {}
    with documents.opened(log) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):  # it is being written, or was when the server ended
                break
            if line.strip():
                one = _logged(line, f"{printable(str(log))} line {number}")
                found.setdefault(one.key, one)
    return list(found.values())


def _logged(line: bytes, place: str) -> Logged:
    try:
        given = documents.loads(line)
        messages = list(given["messages"])
        if messages[-1]["role"] != "assistant":
            raise ValueError
        tools = tuple(given.get("tools") or ())
        identity = json.dumps([given.get("model"), messages], sort_keys=True).encode()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise UserError(
            "is not a request with its answer",
            place=place,
            remedy="name a file that `tuiftune serve --log-requests` wrote, or remove the line",
        ) from None
    return Logged(hashlib.sha256(identity).hexdigest()[:16], tuple(messages), tools)


def sample(rows: list[Logged], count: int | None, seed: int) -> list[Logged]:
    """So many of them at random, the same for the same seed, in the log's order; all for None."""
    if count is None or count >= len(rows):
        return rows
    chosen = set(random.Random(seed).sample(range(len(rows)), count))
    return [row for at, row in enumerate(rows) if at in chosen]


def verdicts_of(log: Path) -> Path:
    """Where the decisions on a log are kept."""
    return log.with_name(f"{log.name}.reviewed.jsonl")


def verdicts(log: Path) -> dict[str, Reviewed]:
    """What was said of each request so far, by its key; the last word counts."""
    place = verdicts_of(log)
    if paths.gone(place):
        return {}
    lines = [one for one in documents.json_lines(place) if isinstance(one, dict)]
    return {
        str(one["key"]): Reviewed(one["verdict"], str(one.get("answer", "")))
        for one in lines
        if one.get("verdict") in VERDICTS and "key" in one
    }


def say(log: Path, row: Logged, reviewed: Reviewed) -> None:
    """Keep a decision. UserError where it cannot be written."""
    more = {"answer": reviewed.answer} if reviewed.verdict == "correct" else {}
    append(verdicts_of(log), [{"key": row.key, "verdict": reviewed.verdict, **more}], PRIVATE)


def rows_of(rows: list[Logged], said: dict[str, Reviewed]) -> list[dict[str, Any]]:
    """Chat rows of the answers that were kept or corrected."""
    found = []
    for row in rows:
        reviewed = said.get(row.key)
        if reviewed is None or reviewed.verdict == "drop":
            continue
        messages = list(row.messages)
        if reviewed.verdict == "correct":
            messages[-1] = {"role": "assistant", "content": reviewed.answer}
        found.append({"messages": messages, **({"tools": list(row.tools)} if row.tools else {})})
    return found


def preferences_of(rows: list[Logged], said: dict[str, Reviewed]) -> list[dict[str, Any]]:
    """Preference rows of the answers that were corrected: the correction over what was answered."""
    return [
        {
            "prompt": list(row.messages[:-1]),
            "chosen": [{"role": "assistant", "content": said[row.key].answer}],
            "rejected": [{"role": "assistant", "content": row.answer}],
        }
        for row in rows
        if row.key in said and said[row.key].verdict == "correct" and said[row.key].answer != row.answer
    ]
