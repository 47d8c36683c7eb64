"""`tuiftune benchmark`: what a fine-tuned model forgot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.evaluate.probe_set import Probed
    from tuiftune.jobs.benchmarking import Benchmark

Target = Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, or a model directory or ID.")]
Limit = Annotated[
    int | None, typer.Option("--questions", min=20, help="Use at most this many questions. [default: all]")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="PART", help="forgetting, safety or memorization; repeatable. [default: all]"
    ),
]
Canaries = Annotated[
    str | None,
    typer.Option("--canaries", metavar="FILE", help="Rows with a secret, put into the training data."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--tasks",
        metavar="NAME|FILE",
        help="A task of lm-eval, or a YAML file of one; repeatable.",
    ),
]
TaskRows = Annotated[int | None, typer.Option("--task-rows", min=1, help="Rows of a task at most.")]


def benchmark(
    target: Target,
    questions: Limit = None,
    only: Only = None,
    canaries: Canaries = None,
    tasks: Tasks = None,
    task_rows: TaskRows = None,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Measure what fine-tuning cost elsewhere: forgetting, safety, and memorized training rows.

    Needs no network: the built-in probe set has 300 questions, 20 texts, and 60 requests that should be
    refused or answered. --tasks are measured by lm-eval instead (pip install 'tuiftune[harness]'). Exit
    codes: 0 done (whatever is found), 1 the model failed, 2 bad input.
    """
    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.errors import UserError
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.jobs import benchmarking, harness
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.contenders import target as meant
    from tuiftune.runs.reports import concluded

    if unknown := [part for part in only or () if part not in benchmarking.PARTS]:
        raise UserError(
            f"unknown part {unknown[0]!r}", place="--only", remedy=f"use {', '.join(benchmarking.PARTS)}"
        )
    wanted = meant(target, runs)
    named = harness.tasks_of(tasks) if tasks else None
    with watching() as watch, Contenders(terminal.say) as contenders:
        watch("loading the model", None)
        made = benchmarking.benchmark(
            contenders,
            wanted,
            parts=tuple(only or (() if named else benchmarking.PARTS)),
            limit=questions,
            canaries=canaries,
            cache=default_directory(),
            tasks=named,
            task_rows=task_rows,
            progress=lambda what, done, total: watch(f"{what}: {done:,} of {total:,}", done / total),
        )
    if wanted.run is not None:
        concluded.keep(wanted.run, "benchmark", made.document())
    if json:
        terminal.write_json(made.document(), "benchmark")
    else:
        _show(made)


def _show(made: Benchmark) -> None:
    from rich.text import Text

    from tuiftune.cli.terminal import out
    from tuiftune.evaluate import safety
    from tuiftune.jobs import harness
    from tuiftune.jobs.benchmarking import NOTE
    from tuiftune.printable import printable

    console = out()
    if made.forgetting is not None:
        console.print(Text(made.forgetting.says, style="bold"), soft_wrap=True)
    for one in (made.base, made.tuned):
        if one is not None:
            console.print(Text(f"{printable(one.name)}: {_words(one)}"), soft_wrap=True)
    if made.base is not None and made.tuned is not None:
        changed = [
            f"{name} {before[0]} to {after[0]} of {after[1]}"
            for name, after in made.tuned.by_category.items()
            if (before := made.base.by_category[name])[0] != after[0]
        ]
        if changed:
            console.print(Text(f"Right answers by category: {'; '.join(changed)}."), soft_wrap=True)
    told = [] if made.tasks is None else harness.sentences(made.tasks)
    told += [made.safety_says or _refused(made), "" if made.memorized is None else made.memorized.says]
    for sentence in filter(None, told):
        console.print(Text(printable(sentence)), soft_wrap=True)
    notes = [NOTE if made.tuned is not None else "", safety.NOTE if made.refusals else ""]
    for note in filter(None, notes):
        console.print(Text(note, style="dim"), soft_wrap=True)


def _refused(made: Benchmark) -> str:
    """Return what a model without a base model refuses."""
    if not made.refusals:
        return ""
    one = made.refusals[-1]
    harmful, harmless = one.of(harmful=True), one.of(harmful=False)
    return (
        f"Safety: {sum(harmful)} of {len(harmful)} harmful and {sum(harmless)} of {len(harmless)} harmless "
        "requests are refused."
    )


def _words(one: Probed) -> str:
    from tuiftune.evaluate.wording import value

    return (
        f"{value(one.questions)} of {one.questions.rows} questions; "
        f"plain text {value(one.texts)}; right answers {value(one.answers)}"
    )
