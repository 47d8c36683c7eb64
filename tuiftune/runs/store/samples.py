"""Answers to a few fixed evaluation rows, evaluation by evaluation: `samples.jsonl` in the run's directory.

Rows and answers stay in this file; the event log only says that there are new ones. A line is one JSON
object: `{"questions": [{row, prompt, reference}]}`, at the beginning of each process, or `{"step", "when",
"answers": [text], "cut": [bool], "seconds"}`. When is before, during or after.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import FILE_MODE

if TYPE_CHECKING:
    from pathlib import Path

from tuiftune.runs.store.directory import RunDir
from tuiftune.secret_forms import without_secrets

FILE = "samples.jsonl"
MOST_BYTES = 32 * 1024 * 1024  # read, from the end
ORDER = {"before": 0, "during": 1, "after": 2}


@dataclass(frozen=True, slots=True)
class Round:
    """The answers at one step, in the order of the questions. `cut`: the length or the time ended it."""

    step: int
    when: str
    answers: tuple[str, ...]
    cut: tuple[bool, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """An answer, and the rounds in a row that gave it: the first and the last of them."""

    answer: str
    cut: bool
    first: Round
    last: Round
    times: int


@dataclass(frozen=True, slots=True)
class Generations:
    """`questions` are (prompt, reference); `rounds` in the order of their steps, the latest of each."""

    questions: tuple[tuple[str, str], ...] = ()
    rounds: tuple[Round, ...] = ()

    def until(self, step: int, *, scored: bool) -> Generations:
        """What was there at a step of the run; `scored`: its result was too."""
        there = [one for one in self.rounds if (scored if one.when == "after" else one.step <= step)]
        return Generations(self.questions, tuple(there))

    def changes(self, question: int) -> list[Change]:
        """How the answer to one question changed; equal ones in a row are one entry."""
        found: list[Change] = []
        for one in self.rounds:
            if question >= len(one.answers):
                continue
            answer, cut = one.answers[question], one.cut[question] if question < len(one.cut) else False
            if found and found[-1].answer == answer:
                found[-1] = Change(answer, cut, found[-1].first, one, found[-1].times + 1)
            else:
                found.append(Change(answer, cut, one, one, 1))
        return found


NONE = Generations()


def when(change: Change) -> str:
    """Return "base model", "step 40", "steps 40–120", "step 40 to result" or "result"."""
    names = {"before": "base model", "after": "result"}
    first = names.get(change.first.when, f"step {change.first.step:,}")
    if change.times == 1:
        return first
    if first.startswith("step ") and change.last.when not in names:
        return f"steps {first.removeprefix('step ')}–{change.last.step:,}"
    return f"{first} to {names.get(change.last.when, f'step {change.last.step:,}')}"


def append(path: Path, document: dict[str, Any]) -> None:
    """Add one line in one write. Raises OSError."""
    line = without_secrets(json.dumps(document, separators=(",", ":"))).encode("ascii") + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        if os.write(descriptor, line) < len(line):
            os.write(descriptor, b"\n")  # the torn line ends here; readers pass it over
    finally:
        os.close(descriptor)


def size(run: RunDir) -> int:
    """Bytes written so far: it only ever grows."""
    return paths.size(run.path / FILE)


def read(run: RunDir) -> Generations:
    """What was generated so far; nothing where there is no file. Damaged and unfinished lines are left
    out."""
    try:
        with documents.opened(run.path / FILE) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - MOST_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except (OSError, UserError):
        return NONE
    questions: tuple[tuple[str, str], ...] = ()
    rounds: dict[tuple[int, str], Round] = {}
    for line in lines:
        try:
            document = documents.loads(line)
            if "questions" in document:
                asked = tuple((str(one["prompt"]), str(one["reference"])) for one in document["questions"])
                if asked != questions:
                    questions, rounds = asked, {}
            else:
                found = _round(document)
                rounds[found.step, found.when] = found
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
    ordered = sorted(rounds.values(), key=lambda one: (ORDER.get(one.when, 1), one.step))
    return Generations(questions, tuple(ordered))


def _round(document: dict[str, Any]) -> Round:
    seconds = document.get("seconds")
    return Round(
        int(document["step"]),
        str(document["when"]),
        tuple(str(answer) for answer in document["answers"]),
        tuple(bool(cut) for cut in document.get("cut", ())),
        float(seconds) if isinstance(seconds, int | float) else None,
    )
