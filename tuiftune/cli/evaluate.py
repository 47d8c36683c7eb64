"""`tuiftune evaluate`: scores of a run, a model or an endpoint, with intervals."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.evaluate.contender import Responder

Target = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL|ENDPOINT",
        help="A run, a model directory or ID, or the URL of an OpenAI-compatible endpoint.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="FILE", help="Rows to evaluate on. [default: the run's own]"),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="OTHER",
        help="Compare with this run, model or endpoint; `base` is the base model.",
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", metavar="NAME[=ARG]", help="Use this metric; repeatable. [default: chosen from the data]"
    ),
]
Rows = Annotated[int | None, typer.Option("--rows", min=1, help="Use at most this many rows. [default: all]")]
NewTokens = Annotated[
    int | None,
    typer.Option("--max-new-tokens", min=1, help="Longest answer. [default: the longest reference]"),
]
EndpointModel = Annotated[
    str | None,
    typer.Option("--endpoint-model", metavar="NAME", help="The model that the endpoint is asked for."),
]
Again = Annotated[
    bool, typer.Option("--again", help="Generate every answer again instead of reusing kept ones.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write rows, answers and scores as JSONL."),
]
Wrong = Annotated[
    Path | None,
    typer.Option(
        "--wrong", metavar="FILE", help="Write the wrong rows, near misses first, to label them again."
    ),
]


def evaluate(
    target: Target,
    data: Data = None,
    against: Against = None,
    metric: Metric = None,
    rows: Rows = None,
    max_new_tokens: NewTokens = None,
    endpoint_model: EndpointModel = None,
    again: Again = False,
    output: Output = None,
    wrong: Wrong = None,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Evaluate a run, a model or an endpoint, with 95% confidence intervals.

    Answers are kept, so the same command continues after an interruption. Exit codes: 0 done, 1 an endpoint
    or model failed, 2 bad input.
    """
    from dataclasses import replace

    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.errors import UserError
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.jobs import evaluating
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.contenders import target as meant
    from tuiftune.outputs import keep_apart
    from tuiftune.runs.data_files import files_of

    first = meant(target, runs)
    own: list[Path] = []
    with suppress(UserError):  # what is gone isn't written over
        own = [] if first.run is None else files_of(first.run.plan().preset(str(first.run.plan_path)))
    keep_apart((output, wrong), (data, *own))
    with watching() as watch, Contenders(terminal.say) as contenders:
        watch("reading rows", None)
        asked = evaluating.rows_of(data, first.run, rows)
        other = None
        responder = contenders.responder(first, endpoint_model)
        if against == "base":
            other = _base(contenders.base_of(first), target)
        elif against is not None:
            other = contenders.responder(meant(against, runs), endpoint_model)
        watch(f"loading {responder.name}", None)
        report = evaluating.evaluate(
            responder,
            asked,
            against=other,
            metrics=metric or (),
            max_new_tokens=max_new_tokens,
            cache=default_directory(),
            again=again,
            progress=lambda what, done, total: watch(f"{what}: {done:,} of {total:,} rows", done / total),
        )
        report = replace(report, loaded=tuple(contenders.notes))
    if output is not None:
        _write(report.first.rows(), output)
    if wrong is not None:
        _write(report.first.wrong(), wrong)
    if json:
        terminal.write_json(report.document(), "evaluate")
    else:
        from tuiftune.cli import evaluate_view

        evaluate_view.show(report)
    if report.first.faults or (report.against is not None and report.against.faults):
        raise typer.Exit(1)


def _base(found: Responder | None, target: str) -> Responder:
    from tuiftune.errors import UserError
    from tuiftune.printable import printable

    if found is None:
        raise UserError("has no base model here", place=printable(target), remedy="name what to compare with")
    return found


def _write(rows: list[dict[str, Any]], output: Path) -> None:
    import json

    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    with writing(output) as file:
        for row in rows:
            file.write(
                (without_secrets(json.dumps(row, ensure_ascii=False)) + "\n").encode("utf-8", "replace")
            )
