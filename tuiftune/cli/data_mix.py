"""`tuiftune data mix`: several sources in one training set, and the rows of each per epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune import paths
from tuiftune.cli.data import Columns, Evaluation, Files, Format
from tuiftune.cli.options import Json

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.data.mix.sources import Mix, Mixture, Source


def mix(
    files: Files,
    with_: Annotated[
        list[str],
        typer.Option(
            "--with",
            metavar="FILE[=AMOUNT]",
            help="Another data source (repeatable). AMOUNT: a weight (0.5 = half of its rows per epoch, 2 = "
            "each row twice) or a share of all rows (10%).",
        ),
    ],
    temperature: Annotated[
        float | None,
        typer.Option(metavar="T", help="Instead of amounts: shares proportional to rows^(1/T), T ≥ 1."),
    ] = None,
    evaluation: Evaluation = "0.05",
    seed: Annotated[int, typer.Option(help="Random seed of the row selection.")] = 42,
    json: Json = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Count the rows per epoch of each source in a mix."""
    from tuiftune.cli.data import _columns
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import out, unicode, write_json
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load
    from tuiftune.errors import UserError

    wanted = Mix(tuple(_source(text) for text in with_), temperature)
    if temperature is not None and any("=" in text for text in with_):
        raise UserError(
            "a temperature sets all amounts", place="--temperature", remedy="omit =AMOUNT from --with"
        )
    with busy("rows read") as count:
        dataset = load(files, format=format_, columns=_columns(column), progress=count)
        train, held = split(dataset, evaluation, seed)
        name = ", ".join(str(file) for file in dataset.files)
        mixture = mixed(train, held, wanted, seed, name, format=dataset.format)
    if json:
        write_json(_document(mixture, wanted), "data-mix")
    else:
        _render(mixture, wanted, out(), unicode())


def _source(text: str) -> Source:
    from pathlib import Path

    from tuiftune.data.mix.sources import Source

    path, equals, amount = text.rpartition("=")
    return Source(text) if not equals or paths.exists(Path(text)) else Source.amount(path, amount)


def _document(mixture: Mixture, wanted: Mix) -> dict[str, Any]:
    return {
        "rows": len(mixture.examples),
        "portions": [
            {
                "source": portion.source,
                "rows": portion.rows,
                "left_out": portion.left_out,
                "weight": round(portion.weight, 6),
                "seen": portion.seen,
                "share": round(mixture.share(portion), 6),
            }
            for portion in mixture.portions
        ],
        "preset": wanted.values(),
    }


def _render(mixture: Mixture, wanted: Mix, console: Console, unicode: bool) -> None:
    from pathlib import Path

    from rich.text import Text

    from tuiftune.data.excerpt import excerpt
    from tuiftune.data.report.terminal import bar
    from tuiftune.figures import plural
    from tuiftune.preset.write import scalar
    from tuiftune.printable import printable

    console.print(Text(f"One epoch has {plural(len(mixture.examples), 'row')}", "bold"))
    head = f"  {'source':<24}{'rows':>9}{'weight':>8}{'/epoch':>9}{'share':>7}"
    console.print(Text(head, "dim"))
    for portion in mixture.portions:
        share = mixture.share(portion)
        name = excerpt(Path(portion.source).name, 23)
        line = Text(f"  {name:<24}{portion.rows:>9,}{portion.weight:>8.3g}{portion.seen:>9,}{share:>7.1%} ")
        console.print(line.append(bar(share, 20, unicode), "cyan"))
        if portion.left_out:
            said = f"{plural(portion.left_out, 'row')} dropped: their prompts are in the evaluation set"
            console.print(Text(f"    {said}", "yellow"))
    console.print()
    console.print(Text("In the preset, under `data`:", "dim"))
    for key, value in wanted.values().items():
        console.print(Text(printable(f"  {key}: {scalar(value)}")), soft_wrap=True)
