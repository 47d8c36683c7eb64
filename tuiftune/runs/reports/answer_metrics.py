"""The answers before and after by every metric that suits them, with intervals and paired tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.evaluate import evaluation, scorers
from tuiftune.evaluate.contender import Answered, Question
from tuiftune.evaluate.extras import INSTALL
from tuiftune.evaluate.task import task_of
from tuiftune.evaluate.wording import change, value, why_main
from tuiftune.runs.store.result_rows import result_rows

if TYPE_CHECKING:
    from tuiftune.evaluate.evaluation import Evaluation
    from tuiftune.evaluate.task import Task
    from tuiftune.runs.store.directory import RunDir


def measured(run: RunDir) -> tuple[Task, Evaluation, Evaluation, list[str]] | None:
    """Return the task, both models' scores, and the keys of metrics left out for lack of a library.

    Returns:
        None if the run has no rows with both answers and a reference.
    """
    if not run.planned().compares_answers:
        return None
    rows = [row for row in result_rows(run) if row.before is not None and row.after is not None]
    questions = [Question(row.prompt, [], row.reference, row.row) for row in rows]
    try:
        task = task_of([row.reference for row in rows])
    except UserError:
        return None
    chosen, missing = scorers.chosen(task, losses=False)
    before = evaluation.score(
        "base model", questions, [Answered(row.before or "") for row in rows], chosen, task
    )
    after = evaluation.score(
        "fine-tuned model", questions, [Answered(row.after or "") for row in rows], chosen, task
    )
    return task, before, after, missing


def section(run: RunDir) -> list[str]:
    """Return Markdown: why these metrics, and a table of them. Nothing without answers."""
    found = measured(run)
    if found is None:
        return []
    task, before, after, missing = found
    differences = evaluation.differences(before, after)
    lines = ["| metric | base model | fine-tuned model | difference |", "|---|---|---|---|"]
    for key, one in after.scores.items():
        changed = differences.get(key)
        cells = [
            value(before.scores[key]),
            value(one),
            "—" if changed is None else change(changed, one.scorer),
        ]
        lines.append(f"| {one.scorer.name} | {' | '.join(cells)} |")
    words = [why_main(after.main.scorer, task)]
    if missing:
        words.append(f"Left out, as their libraries are not installed: {', '.join(missing)} (`{INSTALL}`).")
    main = differences.get(next(iter(after.scores)))
    if main is not None and not main.shown and main.smallest is not None:
        least = (
            f"{main.smallest * 100:.1f} points"
            if after.main.scorer.unit == "share"
            else f"{main.smallest:.3g}"
        )
        words.append(f"{main.rows} rows detect a difference of {least} or more.")
    return ["## Answers by metric", " ".join(words), "\n".join(lines)]
