"""The first thing to try: a prompt with examples chosen from the user's own rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.data.excerpt import excerpt
from tuiftune.data.labels import as_label, counted
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tuiftune.data.example import Example

POOL = 2000  # rows looked at; more are thinned evenly
SHOTS = 6
NAMED = 3  # merged labels that are named; more are counted
MOST_LABELS = 200  # distinct answers up to which they are taken as fixed labels
LONGEST_LABEL = 60  # characters
_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Shot:
    """One example of the prompt: what is asked, how it should be answered, and the row it came from."""

    prompt: str
    answer: str
    row: int
    file: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """`template` has `{input}` where the request goes; `labels` are all the answers of a fixed set. `merged`
    are labels of the rows (label to use, other) that it takes as one, and scoring does not.
    """

    template: str
    shots: tuple[Shot, ...]
    labels: tuple[str, ...]
    rows: int
    merged: tuple[tuple[str, str], ...] = ()

    @property
    def note(self) -> str:
        """What to do about the merged labels; "" if there are none."""
        if not self.merged:
            return ""
        named = ", ".join(
            f'"{excerpt(other, 24)}" as "{excerpt(use, 24)}"' for use, other in self.merged[:NAMED]
        )
        more = f" and {len(self.merged) - NAMED} more" if len(self.merged) > NAMED else ""
        return (
            f"The prompt takes {named}{more}, but scoring counts them as other labels: merge them in the "
            "data too (data clean --labels merge)."
        )

    def messages(self, request: str) -> list[dict[str, str]]:
        """The chat to send for one request: instruction, examples as turns, the request."""
        turns = [{"role": "system", "content": self.template.partition("\n\n## Examples")[0]}]
        for shot in self.shots:
            turns += [
                {"role": "user", "content": shot.prompt},
                {"role": "assistant", "content": shot.answer},
            ]
        return [*turns, {"role": "user", "content": request}]


def starter(examples: Iterable[Example], *, shots: int = SHOTS, task: str = "") -> Prompt:
    """A prompt from rows: instruction by task, examples that differ as much as possible. Deterministic.

    UserError where no row has both a request and an answer.
    """
    pairs = [pair for pair in map(_pair, examples) if pair]
    if not pairs:
        raise UserError(
            "no row has both a prompt and an answer",
            place="advise --prompt",
            remedy="check the format with `tuiftune data inspect DATA`",
        )
    labels = _labels(pairs)
    merged: tuple[tuple[str, str], ...] = ()
    if labels:
        pairs, labels, merged = _one_spelling(pairs)
    chosen = _diverse(_typical(_thinned(pairs)), shots)
    return Prompt(_template(task, labels, chosen), tuple(chosen), labels, len(pairs), merged)


def write(prompt: Prompt, directory: Path) -> tuple[Path, Path]:
    """Write `prompt.md` and `few-shot.jsonl` (chat messages). UserError rather than overwrite anything."""
    text, shots = directory / "prompt.md", directory / "few-shot.jsonl"
    place = printable(str(directory))
    rows = [
        {"messages": [{"role": "user", "content": s.prompt}, {"role": "assistant", "content": s.answer}]}
        for s in prompt.shots
    ]
    for path in (text, shots):
        if paths.exists(path):
            raise UserError(f"{path.name} already exists", place=place, remedy="name another directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with text.open("x", encoding="utf-8") as file:
            file.write(prompt.template)
        with shots.open("x", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", place=place, remedy="name another directory"
        ) from error
    return text, shots


def _pair(example: Example) -> Shot | None:
    request = "\n\n".join(m.content for m in example.prompt if m.role == "user").strip()
    answer = example.reference.strip()
    if example.messages is None or not request or not answer:
        return None
    return Shot(request, answer, example.row, example.file)


def _labels(pairs: Sequence[Shot]) -> tuple[str, ...]:
    """All labels, most frequent first, where they look like a fixed set: few, short and repeated."""
    counts = dict(counted(Counter(pair.answer for pair in pairs).items()))
    few = len(counts) <= min(MOST_LABELS, len(pairs) // 3)
    if not few or max(map(len, counts)) > LONGEST_LABEL:
        return ()
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def _one_spelling(pairs: Sequence[Shot]) -> tuple[list[Shot], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the rows and their labels with near-identical labels, such as LOGIN and login, merged; and what
    was merged that scoring takes as different labels.
    """
    from tuiftune.data.clean.labels import spellings

    counts = sorted(Counter(pair.answer for pair in pairs).items(), key=lambda item: (-item[1], item[0]))
    kept = spellings(counts)
    merged = [replace(pair, answer=kept.get(pair.answer, pair.answer)) for pair in pairs]
    apart = tuple((use, other) for other, use in kept.items() if as_label(use) != as_label(other))
    return merged, _labels(merged), apart


def _thinned(pairs: Sequence[Shot]) -> Sequence[Shot]:
    if len(pairs) <= POOL:
        return pairs
    step = len(pairs) / POOL
    return [pairs[int(index * step)] for index in range(POOL)]


def _typical(pairs: Sequence[Shot]) -> Sequence[Shot]:
    """Rows of a quarter to twice the median length: long ones make every call dear, short ones say little."""
    sizes = sorted(len(pair.prompt) + len(pair.answer) for pair in pairs)
    median = sizes[len(sizes) // 2]
    kept = [pair for pair in pairs if median / 4 <= len(pair.prompt) + len(pair.answer) <= 2 * median]
    return sorted(kept, key=lambda pair: (len(pair.prompt) + len(pair.answer), pair.file, pair.row))


def _diverse(pairs: Sequence[Shot], many: int) -> list[Shot]:
    """Farthest-first by shared words, a new answer before one that is shown already.

    Distance is 1 - Jaccard of the word sets (Gonzalez 1985: within twice the best possible spread).
    """
    words = [frozenset(word.casefold() for word in _WORD.findall(pair.prompt)) for pair in pairs]
    middle = len(pairs) // 2  # the median length: an ordinary row to begin with
    chosen = [middle]
    nearest = [_distance(words[middle], other) for other in words]
    while len(chosen) < min(many, len(pairs)):
        shown = {pairs[index].answer for index in chosen}
        best = max(
            (index for index in range(len(pairs)) if index not in chosen),
            key=lambda index: (pairs[index].answer not in shown, nearest[index], -index),
        )
        chosen.append(best)
        nearest = [min(old, _distance(words[best], other)) for old, other in zip(nearest, words, strict=True)]
    return [pairs[index] for index in chosen]


def _distance(one: frozenset[str], other: frozenset[str]) -> float:
    union = len(one | other)
    return 1 - len(one & other) / union if union else 0.0


_INSTRUCTIONS = {
    "classify": "Classify the input. Answer with the label only.",
    "format": "Answer in exactly the form the examples show: nothing before it, nothing after it.",
    "style": "Answer in the style of the examples: their tone, length and wording.",
    "reasoning": "Solve the problem step by step, the way the examples do, and end with the answer.",
    "knowledge": "Answer from what you know for certain. If you are not certain, say so.",
}


def _template(task: str, labels: tuple[str, ...], shots: Sequence[Shot]) -> str:
    kind = "classify" if labels else task
    lines = ["# Task", "", _INSTRUCTIONS.get(kind, "Answer the way the examples do.")]
    if labels:
        lines += ["", "Labels (use no other):", *(f"- {label}" for label in labels)]
    lines += ["", "## Examples"]
    for shot in shots:
        lines += ["", "Input:", shot.prompt, "", "Answer:", shot.answer]
    lines += ["", "## Now", "", "Input:", "{input}", "", "Answer:", ""]
    return "\n".join(lines)
