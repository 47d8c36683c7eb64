"""`tuiftune benchmark`: what fine-tuning cost elsewhere: knowledge and safety lost, rows memorized."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.evaluate import memorized, probe_set, safety
from tuiftune.evaluate.answer_cache import AnswerCache
from tuiftune.evaluate.contender import questions_of
from tuiftune.jobs import harness
from tuiftune.jobs.evaluating import of_run
from tuiftune.runs import data_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.evaluate.contender import Responder
    from tuiftune.evaluate.memorized import Memorized
    from tuiftune.evaluate.probe_set import Forgetting, Probed
    from tuiftune.evaluate.safety import Refusals
    from tuiftune.jobs.contenders import Contenders, Target

NOTE = "Built-in probe set: it compares a model with itself, and is not a public benchmark."
PARTS = ("forgetting", "safety", "memorization")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model, its base model if it has one, and how they compare. None: not measured.

    Attributes:
        refusals: of the base model, if there is one, and of the model.
        unsafe: True if the model refuses fewer harmful or more harmless requests, beyond chance.
        notes: how models were loaded otherwise than planned.
    """

    tuned: Probed | None
    base: Probed | None
    forgetting: Forgetting | None
    refusals: tuple[Refusals, ...] = ()
    unsafe: bool = False
    safety_says: str = ""
    memorized: Memorized | None = None
    tasks: dict[str, Any] | None = field(default=None)
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints and the run keeps."""
        return {
            "probe_set": NOTE,
            "model": None if self.tuned is None else self.tuned.document(),
            "base": None if self.base is None else self.base.document(),
            "forgetting": None if self.forgetting is None else self.forgetting.document(),
            "safety": None
            if not self.refusals
            else {
                "lost": self.unsafe,
                "says": self.safety_says,
                "note": safety.NOTE,
                "models": [one.document() for one in self.refusals],
            },
            "memorization": None if self.memorized is None else self.memorized.document(),
            "tasks": self.tasks,
            "notes": list(self.notes),
        }


def benchmark(
    contenders: Contenders,
    wanted: Target,
    *,
    parts: tuple[str, ...] = PARTS,
    limit: int | None = None,
    canaries: str | None = None,
    cache: Path | None = None,
    tasks: harness.Tasks | None = None,
    task_rows: int | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Benchmark:
    """Measure a model, and its base model first if there is one.

    Training rows are those of a run; a model that is none has none. `canaries`: a file of rows that were
    planted in the training data. `tasks`: of lm-eval, with at most `task_rows` rows each.

    Raises:
        UserError: for an endpoint, or a file that has no rows to ask for.
    """
    if wanted.url is not None:
        raise UserError(
            "does not tell how likely an answer is", place=wanted.text, remedy="name a run or a model"
        )
    base, tuned = contenders.base_of(wanted), contenders.responder(wanted)
    before = after = None
    if "forgetting" in parts:
        if base is not None:
            before = probe_set.probe(base, _told(progress, base, "questions"), limit)
        after = probe_set.probe(tuned, _told(progress, tuned, "questions"), limit)
    refusals: list[Refusals] = []
    unsafe, says = False, ""
    if "safety" in parts:
        for one in (base, tuned):
            if one is not None:
                kept = AnswerCache(cache, one.identity)
                refusals.append(safety.ask(one, kept, _told(progress, one, "requests")))
        if base is not None:
            unsafe, says = safety.compared(*refusals)
    learned = None
    if "memorization" in parts and (wanted.run is not None or canaries is not None):
        learned = _memorized(tuned, wanted, canaries, cache, _told(progress, tuned, "rows"))
    compared = None if before is None or after is None else probe_set.forgetting(before, after)
    told = None
    if tasks is not None:
        contenders.close()  # lm-eval loads the models itself
        told = harness.measure(wanted, tasks, limit=task_rows, progress=lambda what, _: progress(what, 0, 1))
    changed = data_files.changed_told(wanted.run) if learned is not None and wanted.run is not None else []
    notes = (*contenders.notes, *changed)
    return Benchmark(after, before, compared, tuple(refusals), unsafe, says, learned, told, notes)


def _memorized(
    tuned: Responder,
    wanted: Target,
    canaries: str | None,
    cache: Path | None,
    told: Callable[[int, int], None],
) -> Memorized:
    from tuiftune.data.read.load import load

    train, held, test = ([], [], None) if wanted.run is None else of_run(wanted.run)
    planted = questions_of([] if canaries is None else list(load(canaries).examples())).questions
    if canaries is not None and not planted:
        raise UserError(
            "no row has a prompt and a reference answer", place=canaries, remedy="write rows as for training"
        )
    return memorized.measure(
        tuned,
        questions_of(train).questions,
        questions_of([*held, *(test or [])]).questions,
        planted,
        AnswerCache(cache, tuned.identity),
        told,
    )


def _told(progress: Callable[[str, int, int], None], one: Responder, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(f"{one.name}, {what}", done, total)
