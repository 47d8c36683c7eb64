"""`tuiftune benchmark`: what a fine-tuned model forgot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuiftune.evaluate.probe_set import Probed
    from tuiftune.jobs.benchmarking import Benchmark

Target = Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, or a model directory or ID.")]
Limit = Annotated[int | None, typer.Option("--questions", min=20, help="Use at most this many questions.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Runs = Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]


def benchmark(target: Target, questions: Limit = None, json: Json = False, runs: Runs = None) -> None:
    """Measure forgetting: general questions and plain text, base model and fine-tuned model.

    Needs no network: the built-in probe set has 300 questions and 20 texts. Exit codes: 0 done (also if
    forgetting is found), 1 the model failed, 2 bad input.
    """
    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.jobs import benchmarking
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.contenders import target as meant
    from tuiftune.runs.store import conclusions

    wanted = meant(target, runs)
    with watching() as watch, Contenders() as contenders:
        watch("loading the model", None)
        made = benchmarking.benchmark(
            contenders,
            wanted,
            limit=questions,
            progress=lambda what, done, total: watch(f"{what}: {done:,} of {total:,}", done / total),
        )
    if wanted.run is not None:
        conclusions.keep(wanted.run, "benchmark", made.document())
    if json:
        terminal.write_json(made.document(), "benchmark")
    else:
        _show(made)


def _show(made: Benchmark) -> None:
    from rich.text import Text

    from tuiftune.cli.terminal import out
    from tuiftune.jobs.benchmarking import NOTE
    from tuiftune.printable import printable

    console = out()
    if made.forgetting is not None:
        console.print(Text(made.forgetting.says, style="bold"), soft_wrap=True)
    for one in (made.base, made.tuned):
        if one is not None:
            console.print(Text(f"{printable(one.name)}: {_words(one)}"), soft_wrap=True)
    if made.base is not None:
        changed = [
            f"{name} {before[0]} to {after[0]} of {after[1]}"
            for name, after in made.tuned.by_category.items()
            if (before := made.base.by_category[name])[0] != after[0]
        ]
        if changed:
            console.print(Text(f"Right answers by category: {'; '.join(changed)}."), soft_wrap=True)
    console.print(Text(NOTE, style="dim"), soft_wrap=True)


def _words(one: Probed) -> str:
    from tuiftune.evaluate.wording import value

    return (
        f"{value(one.questions)} of {one.questions.rows} questions; "
        f"plain text {value(one.texts)}; right answers {value(one.answers)}"
    )
