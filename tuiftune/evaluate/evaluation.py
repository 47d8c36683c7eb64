"""Questions put to a responder and scored: answers kept as they come, metrics with intervals, usage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.reasoning import matches
from tuiftune.evaluate import labels, measured
from tuiftune.evaluate.answer_cache import key_of
from tuiftune.evaluate.contender import Answered, Usage
from tuiftune.evaluate.endpoint import Endpoint
from tuiftune.evaluate.local_model import LocalModel
from tuiftune.evaluate.scorers.base import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.data.example import Message
    from tuiftune.evaluate.answer_cache import AnswerCache
    from tuiftune.evaluate.contender import Likelihood, Question, Responder
    from tuiftune.evaluate.measured import Difference, Measured
    from tuiftune.evaluate.scorers.base import Part, Scorer
    from tuiftune.evaluate.task import Task


BYTES_A_TOKEN = 2  # no tokenizer needs more tokens for common text than half its bytes
SPARE_TOKENS = 32
MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One contender on the questions.

    Attributes:
        answers: one a question, in their order; one with a `fault` is not scored.
        scores: by the key of the scorer, the main metric first.
        labels: per-label scores and confusion matrix, if the answers are labels.
    """

    name: str
    questions: tuple[Question, ...]
    answers: tuple[Answered, ...]
    scores: dict[str, Measured]
    usage: Usage
    labels: labels.Labels | None = None

    @property
    def main(self) -> Measured:
        """Return the main metric."""
        return next(iter(self.scores.values()))

    @property
    def faults(self) -> dict[str, int]:
        """Return why rows have no answer, with their number."""
        found: dict[str, int] = {}
        for one in self.answers:
            if one.fault:
                found[one.fault] = found.get(one.fault, 0) + 1
        return found

    @property
    def notes(self) -> list[str]:
        """Return what a reader of the scores must know, in sentences."""
        rows = len(self.answers)
        told = [f"{count} of {rows} rows have no answer: {why}." for why, count in self.faults.items()]
        given = [one for one in self.answers if not one.fault]
        empty = sum(not one.answer.strip() for one in given)
        if given and empty == len(given):
            told.append(f"All {empty} answers are empty: check the chat template and max new tokens.")
        elif empty:
            told.append(f"{empty} of {rows} answers are empty.")
        if unended := sum(not one.ended for one in given):
            told.append(f"{unended} of {rows} answers reached max new tokens.")
        if thought := sum(one.reasoning for one in given):
            told.append(f"Reasoning was removed from {thought} of {rows} answers.")
        fewer: dict[int, list[str]] = {}
        for one in self.scores.values():
            if one.rows < len(given):
                fewer.setdefault(one.rows, []).append(one.scorer.name)
        told += [
            f"{', '.join(names)}: {count} of {rows} rows, those whose reference answer it applies to."
            for count, names in fewer.items()
        ]
        return told

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON, with the keys of a run's `before` and `after` among it."""
        exact = self.scores.get("exact_match")
        given = [one for one in self.answers if not one.fault]
        return {
            "name": self.name,
            "rows": len(given),
            "without_answer": len(self.answers) - len(given),
            "exact_match": None if exact is None else exact.value,
            "interval": None if exact is None or exact.interval is None else list(exact.interval),
            "main": self.main.scorer.key,
            "scores": {key: one.document() for key, one in self.scores.items()},
            "labels": None if self.labels is None else self.labels.document(),
            "usage": {
                "tokens_in": self.usage.tokens_in,
                "tokens_out": self.usage.tokens_out,
                "seconds": self.usage.seconds,
            },
            "stripped": {
                kind: count
                for kind in ("reasoning", "marks")
                if (count := sum(bool(getattr(one, kind)) for one in given))
            },
            "unended": sum(not one.ended for one in given),
            "notes": self.notes,
        }

    def wrong(self) -> list[dict[str, Any]]:
        """Return the rows that the main metric does not find right, the nearest misses first, to label again.

        A metric without a full mark for a single row (BLEU, F1, a length) cannot tell: then those that are
        not equal to their reference. A near miss may be a wrong reference; how near is the share of equal
        characters in order (difflib).
        """
        from difflib import SequenceMatcher

        found = [
            (SequenceMatcher(None, row["answer"], row["reference"]).ratio(), row)
            for row, right in zip(self.rows(), self._right(), strict=True)
            if right is False
        ]
        return [{**row, "near": round(near, 3)} for near, row in sorted(found, key=lambda one: -one[0])]

    def _right(self) -> list[bool | None]:
        """Return whether each answer is right; None for one that is not scored."""
        scorer = self.main.scorer
        full = measured.BOUNDED.get(scorer.unit)
        if full is None and scorer.takes and all(0 <= part[0] <= 1 for part in self.main.parts if part):
            full = 1.0  # of a metric of the user's own
        if scorer.kind == "sums" or full is None:
            return [
                None if given.fault else matches(given.answer, asked.reference)
                for asked, given in zip(self.questions, self.answers, strict=True)
            ]
        return [None if part is None else part[0] >= full - 1e-9 for part in self.main.parts]

    def rows(self) -> list[dict[str, Any]]:
        """Return each row with its answer and scores, for a file."""
        found = []
        for at, (asked, given) in enumerate(zip(self.questions, self.answers, strict=True)):
            row: dict[str, Any] = {
                "row": asked.row,
                "prompt": asked.text,
                "reference": asked.reference,
                "answer": given.answer,
            }
            if given.fault:
                row["fault"] = given.fault
            row["scores"] = {
                key: part[0]
                for key, one in self.scores.items()
                if one.scorer.kind != "sums" and (part := one.parts[at]) is not None
            }
            found.append(row)
        return found


def new_tokens(responder: Responder, questions: Sequence[Question], wanted: int | None) -> int:
    """Return how many tokens an answer may have: as asked, or what the longest reference needs."""
    if wanted is not None:
        return wanted
    if isinstance(responder, LocalModel):
        return responder.room([(one.messages, one.reference) for one in questions])
    longest = max((len(one.reference.encode()) for one in questions), default=0)
    return min(longest // BYTES_A_TOKEN + SPARE_TOKENS, MOST_TOKENS)


def ask(
    responder: Responder,
    prompts: Sequence[Sequence[Message]],
    max_new_tokens: int,
    cache: AnswerCache,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Answered]:
    """Return an answer a prompt. What is kept is not asked again; what comes is kept at once.

    Raises:
        UserError: if the responder gives up. What it answered until then stays kept.
    """
    keys = [key_of(messages, max_new_tokens) for messages in prompts]
    found = [cache.get(key) for key in keys]
    first = {key: at for at, key in reversed(list(enumerate(keys))) if found[at] is None}
    open_ = sorted(first.values())
    total = len(prompts)
    known = total - len(open_)
    count = 0
    progress(known, total)

    def done(at: int, answer: Answered) -> None:
        nonlocal count
        place = open_[at]
        found[place] = answer
        if not answer.fault:
            cache.put(keys[place], answer)
        count += 1
        progress(known + count, total)

    if open_:
        responder.respond([prompts[at] for at in open_], max_new_tokens, done)
    by_key = {keys[at]: one for at, one in enumerate(found) if one is not None}
    missing = Answered("", fault="was not answered")
    return [by_key.get(key, missing) for key in keys]


def told_kept(responder: Responder, keys: Sequence[str], cache: AnswerCache) -> str:
    """Return a sentence on answers that an earlier command kept, "" without. Only of endpoints: what answers
    at a URL can change, while a model on this machine is known by its files.
    """
    if not isinstance(responder, Endpoint):
        return ""
    count, day = cache.earlier(keys)
    if not count:
        return ""
    since = f", the oldest of {day}" if day else ""
    return (
        f"{count} of {len(keys)} answers of {responder.name} were kept by earlier commands{since}. "
        "If what answers there has changed, ask again with --again."
    )


def score(
    name: str,
    questions: Sequence[Question],
    answers: Sequence[Answered],
    scorers: Sequence[tuple[Scorer, str]],
    task: Task,
    likelihoods: Sequence[Likelihood | None] = (),
) -> Evaluation:
    """Return an evaluation of answers that are there. UserError from a custom metric that fails."""
    pairs = []
    for at, (asked, given) in enumerate(zip(questions, answers, strict=True)):
        likely = likelihoods[at] if likelihoods else None
        pair = Pair(given.answer, asked.reference, asked.text, asked.row)
        if likely is not None:
            pair = pair._replace(nats=likely.nats, tokens=likely.tokens, bytes=likely.bytes)
        pairs.append(pair)
    good = [at for at, one in enumerate(answers) if not one.fault]
    scores = {}
    for scorer, argument in scorers:
        if scorer.losses and not likelihoods:
            continue
        some = measured.measure(scorer, argument, [pairs[at] for at in good])
        parts: list[Part | None] = [None] * len(pairs)
        for at, part in zip(good, some.parts, strict=True):
            parts[at] = part
        key = scorer.key if not argument else f"{scorer.key}={argument}"
        scores[key] = replace(some, parts=tuple(parts))
    per_label = labels.of([pairs[at] for at in good]) if task.kind == "labels" and good else None
    return Evaluation(name, tuple(questions), tuple(answers), scores, Usage.of(answers), per_label)


def differences(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Return the second minus the first, for every scorer that both have."""
    found = {}
    for key, one in first.scores.items():
        other = second.scores.get(key)
        change = None if other is None else measured.compare(one, other)
        if change is not None:
            found[key] = change
    return found
