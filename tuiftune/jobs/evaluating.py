"""`tuiftune evaluate`: a target, and whatever it is compared with, on the same rows by the same metrics."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import evaluation, scorers
from tuiftune.evaluate.answer_cache import AnswerCache, key_of
from tuiftune.evaluate.contender import questions_of
from tuiftune.evaluate.extras import INSTALL
from tuiftune.evaluate.task import task_of
from tuiftune.runs import data_files
from tuiftune.runs.state.readings import part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.evaluate.contender import Question, Responder
    from tuiftune.evaluate.evaluation import Evaluation
    from tuiftune.evaluate.measured import Difference
    from tuiftune.evaluate.scorers.base import Scorer
    from tuiftune.evaluate.task import Task
    from tuiftune.runs.store.directory import RunDir

SELECTED = "selected on these rows"
TEST = "data.test"
Split = tuple[list["Example"], list["Example"], "list[Example] | None"]  # training, evaluation, test rows


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows to evaluate on, and what must be said of them.

    Attributes:
        questions: those with a prompt and a reference answer.
        train: rows that are trained on, as far as they are known.
        source: where the rows come from, for people.
        notes: sentences.
    """

    questions: tuple[Question, ...]
    train: tuple[Example, ...]
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation came to.

    Attributes:
        differences: `first` minus `against`, by metric.
        loaded: how models were loaded otherwise than planned.
    """

    rows: Rows
    task: Task
    first: Evaluation
    against: Evaluation | None = None
    differences: dict[str, Difference] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "data": self.rows.source,
            "task": {"kind": self.task.kind, "why": self.task.why},
            "evaluation": self.first.document(),
            "against": None if self.against is None else self.against.document(),
            "differences": {key: one.document() for key, one in self.differences.items()},
            "notes": [*self.notes, *self.loaded],
        }


def rows_of(data: str | None, run: RunDir | None, most: int | None) -> Rows:
    """Return the rows of a file, or of a run: its test rows, else its evaluation rows.

    Raises:
        UserError: if there is no row with a prompt and a reference answer.
    """
    (train, held, test), notes = _known(run, needed=data is None) if run is not None else (([], [], None), [])
    if data is not None:
        from tuiftune.data.read.load import load

        examples, source = list((load(data) if run is None else _read_as(run, data)).examples()), data
    elif run is None:
        raise UserError("names no rows", place="--data", remedy="add --data FILE")
    elif test is not None:
        examples, source = test, TEST
    else:
        examples, source = held, f"the evaluation rows of {run.name}"
        notes.append(f"The checkpoint was {SELECTED}, so its score is a little too good. Set data.test.")
    asked = questions_of(examples, most)
    if not asked.questions:
        raise UserError(
            "no row has both a prompt and a reference answer",
            place=source,
            remedy="hold rows out with data.eval, or name a file with --data FILE"
            if data is None
            else "name a file whose rows have both; see what its rows are with `tuiftune data inspect FILE`",
        )
    if run is not None and data is None and source != TEST:
        notes += _fewer_scored(run, len(asked.questions))
    if asked.passed_over:
        notes.append(f"{asked.passed_over} rows without a prompt or a reference answer are left out.")
    seen = [*train, *mixed_in(run, train, held, notes)]
    return Rows(asked.questions, tuple(train), source, (*notes, *leaked(seen, examples)))


def _read_as(run: RunDir, data: str) -> Dataset:
    """A file, read by the columns that the run's rows were told to be read by, where it has them."""
    from tuiftune.data.detect.formats import ColumnsError
    from tuiftune.data.read.load import load

    told = run.plan().preset(str(run.plan_path)).data
    if told.columns:
        with suppress(ColumnsError):
            return load(data, format=told.format, columns=told.columns, system=told.system)
    return load(data, system=told.system)


def mixed_in(
    run: RunDir | None, train: list[Example], held: list[Example], notes: list[str]
) -> Sequence[Example]:
    """The rows of other sources that a run was trained on; a note where they are gone."""
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.read.load import load

    preset = None if run is None else run.plan().preset(str(run.plan_path))
    if run is None or preset is None or not train or not (mix := Mix.of(preset.data)):
        return ()
    try:
        data = preset.data
        form = load(data.train, format=data.format, columns=data.columns or None).format
        found = mixed(train, held, mix, preset.training.seed, format=form).examples
    except UserError as fault:
        notes.append(f"Not checked for rows that were mixed in: {fault.place}: {fault.message}.")
        return ()
    return list(dict.fromkeys(found[len(train) :]))


def _known(run: RunDir, *, needed: bool) -> tuple[Split, list[str]]:
    """The rows of a run, and what is to be said of them; none where they are gone and not `needed`."""
    try:
        return of_run(run), data_files.changed_told(run)
    except UserError as fault:
        if needed:
            raise
        return ([], [], None), [
            f"Not checked for rows that {run.name} was trained on: {fault.place}: {fault.message}."
        ]


def _fewer_scored(run: RunDir, rows: int) -> list[str]:
    """Say that the run compared answers on fewer of its evaluation rows than are used here."""
    scored = part(run.result() or {}, "after").get("rows")
    if not isinstance(scored, int) or not 0 < scored < rows:
        return []
    return [
        f"The run's own score compares the answers to {scored:,} of these {rows:,} rows (evaluation.rows), "
        "so the two can differ."
    ]


def of_run(run: RunDir) -> Split:
    """Return a run's training, evaluation and test rows; None for test rows if it has none."""
    from tuiftune.data.mix.split import held_out_file, split
    from tuiftune.data.read.load import load

    preset = run.plan().preset(str(run.plan_path))
    data = preset.data
    dataset = load(data.train, format=data.format, columns=data.columns or None, system=data.system)
    train, held = split(dataset, data.eval, preset.training.seed)
    test = None if data.test is None else list(held_out_file(dataset, str(data.test)).examples())
    return train, held, test


def leaked(train: Sequence[Example], examples: Sequence[Example]) -> list[str]:
    """Return a sentence on rows that are in the training rows as well; [] if none is."""
    from tuiftune.data.similar.twins import leakage_told, twins

    words = leakage_told(twins(list(train), list(examples)).document()) if train else ""
    return [f"{words}."] if words else []


def evaluate(
    first: Responder,
    rows: Rows,
    *,
    against: Responder | None = None,
    metrics: Sequence[str] = (),
    max_new_tokens: int | None = None,
    cache: Path | None = None,
    again: bool = False,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Report:
    """Answer the rows and score them. Both sides may write answers of the same length.

    `again`: every row is answered again, and the new answers replace those in the cache.

    Raises:
        UserError: if nothing could be answered, or a metric fails.
    """
    task = task_of([one.reference for one in rows.questions], [one.reference for one in rows.train])
    chosen, notes = scorers_for(task, metrics, losses=first.losses and (against is None or against.losses))
    sides = [first] if against is None else [first, against]
    room = max(evaluation.new_tokens(one, rows.questions, max_new_tokens) for one in sides)
    caches = [AnswerCache(cache, one.identity, again=again) for one in sides]
    both = list(zip(sides, caches, strict=True))
    done = [_evaluated(one, rows, chosen, task, room, kept, progress) for one, kept in both]
    keys = [key_of(one.messages, room) for one in rows.questions]
    old = [words for one, kept in both if (words := evaluation.told_kept(one, keys, kept))]
    notes = [*rows.notes, *notes, *old]
    if against is None:
        return Report(rows, task, done[0], notes=tuple(notes))
    return Report(rows, task, done[0], done[1], evaluation.differences(done[1], done[0]), tuple(notes))


def scorers_for(
    task: Task, metrics: Sequence[str], *, losses: bool
) -> tuple[list[tuple[Scorer, str]], list[str]]:
    """Return the scorers that were asked for, else those that suit the task; and notes on those left out."""
    if metrics:
        asked = scorers.named(metrics)
        for scorer, _ in asked:
            if scorer.losses and not losses:
                raise UserError(
                    "cannot be measured here: endpoints and `decide` do not tell how likely a reference is",
                    place=f"--metric {scorer.key}",
                    remedy="name a metric that compares answers",
                )
        return asked, []
    chosen, missing = scorers.chosen(task, losses=losses)
    notes = [f"Left out, as their libraries are not installed: {', '.join(missing)} ({INSTALL})."]
    return chosen, notes if missing else []


def _evaluated(
    responder: Responder,
    rows: Rows,
    chosen: Sequence[tuple[Scorer, str]],
    task: Task,
    room: int,
    kept: AnswerCache,
    progress: Callable[[str, int, int], None],
) -> Evaluation:
    questions = rows.questions

    def told(done: int, total: int) -> None:
        progress(responder.name, done, total)

    answers = evaluation.ask(responder, [one.messages for one in questions], room, kept, told)
    if all(one.fault for one in answers):
        raise UserError(
            f"no row was answered: {answers[0].fault}", place=responder.name, exit_code=ExitCode.FAILED
        )
    likely = []
    if any(scorer.losses for scorer, _ in chosen) and responder.losses:
        likely = responder.likelihoods([(one.messages, one.reference) for one in questions])
    return evaluation.score(responder.name, questions, answers, chosen, task, likely)
