"""`tuiftune data mix`: several sources in one training set, and how much of each the trainer will see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune import paths
from tuiftune.cli.data import Columns, Files, Format  # noqa: TC001 - Typer reads the signatures at run time

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
            help="A further source; repeatable. AMOUNT: a weight such as 0.5 (half of its rows an epoch) or "
            "2 (each twice), or a part of all rows seen, such as 10%.",
        ),
    ],
    temperature: Annotated[
        float | None,
        typer.Option(metavar="T", help="Instead of amounts: shares go with rows^(1/T), T from 1."),
    ] = None,
    evaluation: Annotated[str, typer.Option("--eval", help="Share held out, or a file.")] = "0.05",
    seed: Annotated[int, typer.Option(help="Decides which rows, with their content.")] = 42,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Count what the trainer will see of each source that is mixed in."""
    from tuiftune.cli.data import _columns
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import out, unicode, write_json
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load
    from tuiftune.errors import UserError

    wanted = Mix(tuple(_source(text) for text in with_), temperature)
    if temperature is not None and any("=" in text for text in with_):
        raise UserError("a temperature sets every amount", place="--temperature", remedy="leave =AMOUNT out")
    with busy("rows read") as count:
        dataset = load(files, format=format_, columns=_columns(column), progress=count)
        train, held = split(dataset, evaluation, seed)
        mixture = mixed(train, held, wanted, seed, ", ".join(str(file) for file in dataset.files))
    if json:
        write_json(_document(mixture, wanted))
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
    from tuiftune.preset.write import scalar
    from tuiftune.printable import printable

    console.print(Text(f"An epoch is {len(mixture.examples):,} rows", "bold"))
    head = f"  {'source':<24}{'rows':>9}{'weight':>8}{'seen':>9}{'share':>7}"
    console.print(Text(head, "dim"))
    for portion in mixture.portions:
        share = mixture.share(portion)
        name = excerpt(Path(portion.source).name, 23)
        line = Text(f"  {name:<24}{portion.rows:>9,}{portion.weight:>8.3g}{portion.seen:>9,}{share:>7.1%} ")
        console.print(line.append(bar(share, 20, unicode), "cyan"))
        if portion.left_out:
            said = f"{portion.left_out:,} of its rows are left out: their prompts are held out"
            console.print(Text(f"    {said}", "yellow"))
    console.print()
    console.print(Text("in the preset, under data:", "dim"))
    for key, value in wanted.values().items():
        console.print(Text(printable(f"  {key}: {scalar(value)}")), soft_wrap=True)
