"""`tuiftune data generate` and `data score`: rows made and rated by a language model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

By = Annotated[
    str, typer.Option("--by", metavar="URL|MODEL", help="Who writes: an endpoint's URL, or a local model.")
]
Rater = Annotated[
    str, typer.Option("--by", metavar="URL|MODEL", help="Who rates: an endpoint's URL, or a local model.")
]
ByModel = Annotated[
    str | None,
    typer.Option("--endpoint-model", metavar="NAME", help="The model that the endpoint is asked for."),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The JSONL file to write.")]
Seeds = Annotated[
    str | None, typer.Option("--seeds", metavar="FILE", help="Rows of your own to write more like.")
]
Documents = Annotated[
    Path | None,
    typer.Option("--documents", metavar="DIR", help="Texts to write questions and answers about."),
]
Count = Annotated[int, typer.Option("-n", "--count", min=1, max=100_000, help="How many rows to write.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="Rows to rate.")]
Least = Annotated[int, typer.Option("--min", min=1, max=5, help="Keep rows that are rated so or better.")]


def generate(
    by: By,
    output: Output,
    seeds: Seeds = None,
    documents: Documents = None,
    count: Count = 50,
    endpoint_model: ByModel = None,
) -> None:
    """Have a language model write rows, from rows of yours or from documents.

    Duplicates are dropped, and answers that their document does not hold. Each row is marked as generated, in
    a file of its own: nothing is mixed in. Exit codes: 0 done, 1 the model failed, 2 bad input.
    """
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.errors import UserError
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.figures import plural
    from tuiftune.jobs import generating
    from tuiftune.jobs.contenders import Contenders, target
    from tuiftune.outputs import keep_apart

    if (seeds is None) == (documents is None):
        raise UserError(
            "needs one source", place="data generate", remedy="add --seeds FILE or --documents DIR"
        )
    keep_apart((output,), (seeds, documents))
    rows = [] if seeds is None else generating.seeds_of(seeds)
    passages = [] if documents is None else _passages(documents)
    with watching() as watch, Contenders(say) as contenders:
        writer = contenders.responder(target(by), endpoint_model)
        watch(f"asking {writer.name}", None)
        made = generating.generate(
            writer,
            count,
            seeds=rows,
            passages=passages,
            cache=default_directory(),
            progress=lambda done, total: watch(f"{done:,} of {total:,} rows", done / total),
        )
    _write((one.document(writer.name) for one in made.rows), output)
    dropped = ", ".join(f"{many} {why}" for why, many in made.dropped.items() if many) or "none"
    say(f"{plural(len(made.rows), 'row')} written to {output}; dropped: {dropped}.")
    if len(made.rows) < count:
        say(f"{count} were asked for: add seeds or documents, or use a larger model.")
    say("Read them before training. To mix some in: tuiftune data mix FILE --with FILE=10%")


def score(file: File, by: By, output: Output, least: Least = 4, endpoint_model: ByModel = None) -> None:
    """Have a language model rate rows from 1 to 5, and write those that are good enough.

    Ratings are kept, so the same command continues after an interruption. Exit codes: 0 done, 1 the model
    failed, 2 bad input.
    """
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.jobs import generating
    from tuiftune.jobs.contenders import Contenders, target
    from tuiftune.outputs import keep_apart

    keep_apart((output,), (file,))
    rows = generating.seeds_of(file)
    with watching() as watch, Contenders(say) as contenders:
        judge = contenders.responder(target(by), endpoint_model)
        watch(f"asking {judge.name}", None)
        made = generating.score(
            judge,
            rows,
            cache=default_directory(),
            progress=lambda done, total: watch(f"{done:,} of {total:,} rows rated", done / total),
        )
    kept = made.kept(least)
    _write(kept, output)
    counts = [sum(rating == one for _, rating in made.rows) for one in range(1, 6)]
    told = ", ".join(f"{one}: {many}" for one, many in enumerate(counts, 1))
    say(f"{len(kept)} of {len(rows)} rows written to {output} ({told}).")
    if unread := len(rows) - sum(counts):
        say(f"{unread} rows are left out: their rating could not be read.")


def _passages(path: Path) -> list[tuple[str, str]]:
    from tuiftune.advice.retrieval import passages_of

    return [(f"{one.file}:{one.line}", one.text) for one in passages_of(path)]


def _write(rows: Iterable[dict[str, Any]], output: Path) -> None:
    import json

    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    with writing(output) as file:
        for row in rows:
            file.write(
                (without_secrets(json.dumps(row, ensure_ascii=False)) + "\n").encode("utf-8", "replace")
            )
