"""`tuiftune data agreement`: how far several annotators agree, and the rows they do not agree on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterable

File = Annotated[str, typer.Argument(metavar="FILE", help="Rows with a column for each annotator.")]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B", help="Their columns. [default: annotator_1, rater2, label_a …]"),
]
LevelOption = Annotated[
    str, typer.Option("--level", metavar="LEVEL", help="What labels are: nominal, ordinal or interval.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write rows with the label of the majority."),
]
Disputed = Annotated[
    Path | None,
    typer.Option("--disputed", metavar="FILE", help="Write the rows to label again, most disputed first."),
]


def agreement(
    file: File,
    columns: Columns = None,
    level: LevelOption = "nominal",
    output: Output = None,
    disputed: Disputed = None,
    json: Json = False,
) -> None:
    """Measure how far annotators agree: Krippendorff's alpha, each pair, and the rows to label again.

    Exit codes: 0 done, 2 bad input.
    """
    from typing import cast

    from tuiftune.cli import terminal
    from tuiftune.errors import UserError
    from tuiftune.evaluate import agreement as agreeing
    from tuiftune.outputs import keep_apart

    if level not in agreeing.LEVELS:
        raise UserError(
            f"unknown level {level!r}", place="--level", remedy=f"use {', '.join(agreeing.LEVELS)}"
        )
    keep_apart((output, disputed), (file,))
    rows = _rows(file)
    names = agreeing.columns_in(rows) if columns is None else [one.strip() for one in columns.split(",")]
    made = agreeing.measure(rows, names, cast("agreeing.Level", level))
    if output is not None:
        kept = agreeing.majority(rows, names)
        _write(kept, output)
        terminal.say(f"{len(kept)} of {len(rows)} rows written to {output}, with the label of the majority")
    if disputed is not None:
        _write(({"row": at + 1, **rows[at]} for at in made.disputed), disputed)
        terminal.say(f"{len(made.disputed)} rows to label again written to {disputed}")
    if json:
        terminal.write_json(made.document(), "agreement")
    else:
        from tuiftune.printable import printable

        for sentence in made.sentences:
            terminal.out().print(printable(sentence), soft_wrap=True, markup=False)


def _rows(file: str) -> list[dict[str, Any]]:
    from collections import Counter

    from tuiftune.data.read.file_rows import batches_of
    from tuiftune.data.read.files import expand
    from tuiftune.data.read.malformed import Malformed

    found: list[dict[str, Any]] = []
    bad = Malformed()
    for source in expand(file)[0]:
        for _, rows in batches_of(source, [], Counter(), bad):
            found += [dict(row) for row in rows]
    if bad.count:
        bad.refuse(len(found))
    return found


def _write(rows: Iterable[dict[str, Any]], output: Path) -> None:
    import json

    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    with writing(output) as file:
        for row in rows:
            text = without_secrets(json.dumps(row, ensure_ascii=False, default=str))
            file.write((text + "\n").encode("utf-8", "replace"))
