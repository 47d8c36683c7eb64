"""`tuiftune compare`: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.runs.reports.compare import Comparison


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN", help="Names or paths of two or more runs.", autocompletion=complete.runs
        ),
    ],
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Compare runs: settings, scores with 95% CI, speed, memory, cost."""
    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import busy
    from tuiftune.runs.reports.compare import compare as carry_out
    from tuiftune.runs.store.find import find

    with busy("reading the logs"):
        comparison = carry_out([find(name, runs) for name in names])
    if json:
        terminal.write_json(comparison.document(), "compare")
    else:
        _show(comparison)


def _show(comparison: Comparison) -> None:
    from rich.table import Table
    from rich.text import Text

    from tuiftune.cli.terminal import out, plain, unicode
    from tuiftune.printable import printable
    from tuiftune.runs.reports.compare_table import rows, sentences

    lead = " ★" if unicode() else " *"
    if plain():
        for row in rows(comparison):
            cells = [cell + (lead if at == row.best else "") for at, cell in enumerate(row.cells)]
            named = zip(comparison.runs, cells, strict=False)
            words = "; ".join(f"{printable(run.name)}: {cell}" for run, cell in named)
            out().print(Text(f"{row.label}: {words}" if words else f"\n{row.label}"), soft_wrap=True)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("", no_wrap=True)
        for run in comparison.runs:
            table.add_column(printable(run.name), overflow="fold")
        for row in rows(comparison):
            style = "bold cyan" if not row.cells else ""
            marked = [
                Text(cell + (lead if at == row.best else ""), style="green" if at == row.best else "")
                for at, cell in enumerate(row.cells)
            ]
            table.add_row(Text(row.label, style=style), *marked)
        out().print(table)
    for line in sentences(comparison):
        out().print(Text(line), soft_wrap=plain())
