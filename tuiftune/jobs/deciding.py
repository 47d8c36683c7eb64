"""`tuiftune decide`: prompting, retrieval, classifiers and fine-tuning measured on the same rows.

What is chosen for a contender (its k) is chosen on training rows, the contender on evaluation rows; test rows
are looked at once, for the contender that was chosen and what it is compared with.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.data.labels import spellings
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import decision, evaluation, prices
from tuiftune.evaluate.answer_cache import key_of
from tuiftune.evaluate.contender import Answered, questions_of
from tuiftune.evaluate.task import task_of
from tuiftune.jobs.evaluating import leaked, mixed_in, of_run, scorers_for
from tuiftune.runs import data_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.example import Example
    from tuiftune.evaluate.contender import Question, Responder
    from tuiftune.evaluate.decision import Candidate, Decision
    from tuiftune.evaluate.evaluation import Evaluation
    from tuiftune.evaluate.prices import Rates
    from tuiftune.evaluate.scorers.base import Scorer
    from tuiftune.evaluate.task import Task
    from tuiftune.jobs.approaches import Approach, Approaches
    from tuiftune.runs.store.directory import RunDir

SEED = 42
TRAIN_ROWS = 24  # training rows that a k is chosen on
FEWEST = 8  # evaluation rows; below, no difference can be shown


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows by what they are used for."""

    train: tuple[Question, ...]
    evaluation: tuple[Question, ...]
    test: tuple[Question, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured and what follows.

    Attributes:
        candidates: measured on the evaluation rows, the best first.
        skipped: contenders that were not measured, and why.
        failed: True if an endpoint or a model failed, so that the same command should be run again.
    """

    splits: Splits
    task: Task
    candidates: tuple[Candidate, ...]
    floor: Evaluation
    decision: Decision
    skipped: tuple[tuple[str, str], ...]
    break_even: int | None
    notes: tuple[str, ...]
    failed: bool = False
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "task": {"kind": self.task.kind, "why": self.task.why},
            "rows": {
                "train": len(self.splits.train),
                "evaluation": len(self.splits.evaluation),
                "test": len(self.splits.test),
            },
            "decision": self.decision.document(),
            "candidates": [one.document() for one in self.candidates],
            "most_common_answer": self.floor.document(),
            "skipped": [{"key": key, "why": why} for key, why in self.skipped],
            "break_even_answers": self.break_even,
            "notes": list(self.notes),
            "failed": self.failed,
            "seconds": round(self.seconds, 1),
        }


class BudgetError(Exception):
    """The minutes are used up. What was answered is kept."""


@dataclass(slots=True)
class Deciding:
    """One decision under way.

    Attributes:
        chosen: the scorers, the main one first.
        until: when the budget ends, by the monotonic clock; None without one.
        asked: endpoints by identity, with the keys of what they were asked.
    """

    splits: Splits
    task: Task
    chosen: list[tuple[Scorer, str]]
    rates: Rates
    caches: Callable[[Responder], Any]
    progress: Callable[[str, int, int], None]
    until: float | None = None
    wanted_tokens: int | None = None
    rooms: dict[str, int] = field(default_factory=dict)
    asked: dict[str, tuple[Responder, dict[str, None]]] = field(default_factory=dict)

    def candidate(self, approach: Approach, questions: Sequence[Question]) -> Candidate:
        """Measure an approach on rows. UserError or BudgetError if it cannot be, or not all of it."""
        made = self.evaluated(approach, questions)
        return decision.Candidate(
            approach.key,
            approach.name,
            approach.kind,
            made,
            approach.detail,
            prices.per_thousand(made.usage, self.rates, endpoint=approach.hosted),
            prices.per_month(made.usage, self.rates, endpoint=approach.hosted),
            approach.hosted,
        )

    def evaluated(self, approach: Approach, questions: Sequence[Question]) -> Evaluation:
        """Answer and score rows. An answer that does not fit into a model's context counts as wrong."""
        if approach.classifier is not None:
            answers = approach.classifier.answer(questions)
            return evaluation.score(approach.name, questions, answers, self.chosen, self.task)
        assert approach.responder is not None
        assert approach.prompting is not None
        responder = approach.responder

        def told(done: int, total: int) -> None:
            if self.until is not None and time.monotonic() > self.until:
                raise BudgetError
            self.progress(approach.name, done, total)

        told(0, len(questions))
        prompts = approach.prompting.messages(questions)
        if approach.hosted:
            keys = {key_of(one, self.room(responder)): None for one in prompts}
            self.asked.setdefault(responder.identity, (responder, {}))[1].update(keys)
        answers = evaluation.ask(responder, prompts, self.room(responder), self.caches(responder), told)
        if approach.hosted and (lost := sum(bool(one.fault) for one in answers)):
            why = next(one.fault for one in answers if one.fault)
            raise _failed(f"{lost} of {len(answers)} rows have no answer: {why}", responder)
        if all(one.fault for one in answers):
            raise _failed(f"no row was answered: {answers[0].fault}", responder)
        whole = [Answered("") if one.fault else one for one in answers]
        return evaluation.score(approach.name, questions, whole, self.chosen, self.task)

    def room(self, responder: Responder) -> int:
        """Return the longest answer in tokens, the same for every contender of a responder."""
        if responder.identity not in self.rooms:
            rows = [*self.splits.evaluation, *self.splits.test]
            self.rooms[responder.identity] = evaluation.new_tokens(responder, rows, self.wanted_tokens)
        return self.rooms[responder.identity]

    def kept(self) -> list[str]:
        """Return a sentence for each endpoint whose answers were kept by earlier commands."""
        found = (evaluation.told_kept(by, list(keys), self.caches(by)) for by, keys in self.asked.values())
        return [words for words in found if words]

    def best_of(self, approaches: Sequence[Approach]) -> Approach:
        """Return the approach that scores best on training rows; of equals the first, the smallest."""
        if len(approaches) == 1:
            return approaches[0]
        rows = list(self.splits.train)
        random.Random(SEED).shuffle(rows)
        rows = rows[:TRAIN_ROWS]
        values = [self.candidate(one, rows).value for one in approaches]
        return approaches[values.index(max(values))]

    def floor(self, questions: Sequence[Question]) -> Evaluation:
        """Return what always giving the most common training answer scores."""
        answer = most_common([one.reference for one in self.splits.train], self.task)
        answers = [Answered(answer, tokens_in=0, tokens_out=0, seconds=0.0) for _ in questions]
        return evaluation.score("the most common answer", questions, answers, self.chosen, self.task)


def most_common(references: Sequence[str], task: Task) -> str:
    """Return the most frequent reference answer, a label with all its spellings; "" without any."""
    usual = spellings(Counter(references)) if task.kind == "labels" else {}
    most = Counter(usual.get(one, one) for one in references).most_common(1)
    return most[0][0] if most else ""


def _failed(message: str, responder: Responder) -> UserError:
    return UserError(message, place=responder.name, exit_code=ExitCode.FAILED)


def splits_of(data: str | None, run: RunDir | None, *, share: float, test: str | None, most: int) -> Splits:
    """Return rows by use: of a run as it used them, else split from a file.

    Raises:
        UserError: if there are too few rows to decide on.
    """
    from tuiftune.data.mix.split import held_out_file, split
    from tuiftune.data.read.load import load

    tests: list[Example] | None
    if run is not None:
        train, held, tests = of_run(run)
        sources = (run.name,)
    elif data is not None:
        dataset = load(data)
        train, held = split(dataset, share, SEED)
        tests = None
        sources = (data,)
    else:
        raise UserError("names no rows", place="decide", remedy="name a data file, or --run RUN")
    if test is not None:
        if run is not None:
            told = run.plan().preset(str(run.plan_path)).data
            rows_read = load(told.train, format=told.format, columns=told.columns or None, system=told.system)
        else:
            rows_read = load(data or test)
        tests = list(held_out_file(rows_read, test).examples())
    asked = questions_of(held, most)
    if len(asked.questions) < FEWEST:
        raise UserError(
            f"only {len(asked.questions)} evaluation rows have a prompt and a reference answer",
            place=", ".join(sources),
            remedy=f"a decision needs {FEWEST} or more: hold more out with --eval, or add rows",
        )
    rows = questions_of(train)
    if not rows.questions:
        raise UserError(
            "no training row has a prompt and an answer", place=", ".join(sources), remedy="add rows"
        )
    tested = questions_of(tests or [], None)
    notes = [] if run is None else list(data_files.changed_told(run))
    if test is not None:
        seen = [*train, *held, *mixed_in(run, train, held, notes)]
        notes += [f"Of the test rows: {words}" for words in leaked(seen, tests or [])]
    return Splits(rows.questions, asked.questions, tested.questions, sources, tuple(notes))


def decide(
    splits: Splits,
    approaches: Approaches,
    *,
    metrics: Sequence[str] = (),
    rates: Rates = prices.Rates(),  # noqa: B008 (frozen)
    caches: Callable[[Responder], Any],
    minutes: float | None = None,
    max_new_tokens: int | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    measured: Callable[[Candidate], None] = lambda one: None,
    look: Callable[[], str] = lambda: "",
) -> Outcome:
    """Measure every approach and decide.

    `measured` gets each as soon as all evaluation rows are scored. `look` is called when the test rows are
    looked at, and says if that is not the first time.

    Raises:
        UserError: if nothing could be measured.
    """
    began = time.monotonic()
    task = task_of([one.reference for one in splits.evaluation], [one.reference for one in splits.train])
    chosen, notes = scorers_for(task, metrics, losses=False)
    chosen[0][0].must_rank()
    until = None if minutes is None else began + 60 * minutes
    deciding = Deciding(splits, task, chosen, rates, caches, progress, until, max_new_tokens)
    candidates: list[tuple[Candidate, Approach]] = []
    skipped: list[tuple[str, str]] = []
    out_of_time = False
    first: UserError | None = None  # an endpoint or a model that failed
    for choices in approaches.of(task):
        key = choices[0].key
        if out_of_time:
            skipped.append((key, f"the budget of {minutes:g} minutes was used up"))
            continue
        try:
            best = deciding.best_of(choices)
            candidates.append((deciding.candidate(best, splits.evaluation), best))
            measured(candidates[-1][0])
        except BudgetError:
            out_of_time = True
            skipped.append((key, f"the budget of {minutes:g} minutes was used up"))
        except UserError as fault:
            if fault.exit_code is ExitCode.STOPPED:  # a download, by Ctrl-C: the next would begin it again
                raise
            first = first or fault
            skipped.append((key, str(fault)))
    if not candidates:
        why = skipped[0][1] if skipped else "there is no contender"
        code = ExitCode.USAGE if first is None else first.exit_code
        raise UserError(f"nothing could be measured: {why}", place="decide", exit_code=code)
    made, tested, more = _concluded(deciding, candidates, look)
    ordered = sorted((one for one, _ in candidates), key=lambda one: -one.value)
    return Outcome(
        splits,
        task,
        tuple(ordered),
        deciding.floor(splits.evaluation),
        made,
        (*skipped, *approaches.left_out),
        _break_even(ordered, rates),
        (*splits.notes, *notes, *more, *deciding.kept()),
        first is not None or tested,
        time.monotonic() - began,
    )


def _concluded(
    deciding: Deciding, candidates: Sequence[tuple[Candidate, Approach]], look: Callable[[], str]
) -> tuple[Decision, bool, list[str]]:
    """Return the decision, whether a model failed on the test rows, and notes."""
    splits = deciding.splits
    measured = [one for one, _ in candidates]
    floor = deciding.floor(splits.evaluation)
    chosen, best = decision.choose(measured, floor)
    reference = None if chosen is None else decision.rival(chosen, measured)
    tuned = any(one.kind in decision.TUNED for one in measured)
    if splits.test:
        approach = {one.key: by for one, by in candidates}
        again = look()
        deciding.until = None
        try:
            found = {
                one.key: deciding.candidate(approach[one.key], splits.test)
                for one in (chosen, best, reference)
                if one is not None
            }
        except UserError as fault:
            words = f"The test rows could not be answered: {fault}."
            made = decision.conclude(chosen, best, reference, floor, tuned_measured=tuned, tested=False)
            return made, True, [words]
        made = decision.conclude(
            None if chosen is None else found[chosen.key],
            found[best.key],
            None if reference is None else found[reference.key],
            deciding.floor(splits.test),
            tuned_measured=tuned,
            tested=True,
        )
        return made, False, [again] if again else []
    return decision.conclude(chosen, best, reference, floor, tuned_measured=tuned, tested=False), False, []


def _break_even(candidates: Sequence[Candidate], rates: Rates) -> int | None:
    """Return the answers after which fine-tuning pays for itself, next to the best that needs no training."""
    tuned = next((one for one in candidates if one.kind == "tuned"), None)
    other = next((one for one in candidates if one.kind not in (*decision.TUNED, "classifier")), None)
    if tuned is None or other is None:
        return None
    return prices.break_even(tuned.price, other.price, rates)


def looked_at(directory: Path, questions: Sequence[Question]) -> str:
    """Note that test rows are looked at; return a sentence if they were before, else "".

    The note names the rows by a digest and the time, nothing else.
    """
    import hashlib
    import json

    from tuiftune import documents
    from tuiftune.runs.store.directory import write_text

    told = json.dumps([[one.text, one.reference] for one in questions]).encode()
    name = hashlib.sha256(told).hexdigest()[:32]
    path = directory / "test-looks.json"
    try:
        known = documents.read_json(path)
    except UserError:
        known = {}
    before = known.get(name)
    times = before if isinstance(before, int) else 0
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(path, json.dumps({**known, name: times + 1}) + "\n")
    except OSError as fault:
        raise UserError(f"cannot be written ({fault.strerror})", place=str(path)) from None
    if not times:
        return ""
    return f"These test rows were used {times + 1} times: choices made after a look make the score too good."
