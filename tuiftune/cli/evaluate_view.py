"""An evaluation drawn for a person: scores with intervals, differences, and what must be known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tuiftune.cli.terminal import out, plain
from tuiftune.evaluate.wording import amount, change, value, why_main
from tuiftune.figures import MISSING, real
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.evaluate.evaluation import Evaluation
    from tuiftune.jobs.evaluating import Report

MOST_LABELS = 12


def show(report: Report) -> None:
    """Print the evaluation: a table on a terminal, one metric a line elsewhere."""
    console, first = out(), report.first
    rows = len(first.questions)
    head = f"{printable(first.name)} on {rows} rows: {printable(report.rows.source)}"
    why = why_main(first.main.scorer, report.task)
    console.print(Text(head, style="bold"), soft_wrap=True)
    console.print(Text(why, style="dim"), soft_wrap=True)
    if plain():
        _lines(console, report)
    else:
        console.print(_table(report))
    for sentence in sentences(report):
        console.print(Text(sentence), soft_wrap=True)
    if first.labels is not None:
        _labels(console, first)


def _lines(console: Console, report: Report) -> None:
    for key, one in report.first.scores.items():
        words = f"{one.scorer.name}: {value(one)}"
        if report.against is not None and key in report.against.scores:
            words += f"; {printable(report.against.name)}: {value(report.against.scores[key])}"
        if key in report.differences:
            words += f"; difference: {change(report.differences[key], one.scorer)}"
        console.print(Text(words), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("metric", no_wrap=True)
    table.add_column(printable(report.first.name), overflow="fold")
    if report.against is not None:
        table.add_column(printable(report.against.name), overflow="fold")
        table.add_column("difference", overflow="fold")
    for key, one in report.first.scores.items():
        cells = [one.scorer.name, value(one)]
        if report.against is not None:
            other = report.against.scores.get(key)
            found = report.differences.get(key)
            cells += [
                MISSING if other is None else value(other),
                MISSING if found is None else change(found, one.scorer),
            ]
        table.add_row(*cells)
    return table


def sentences(report: Report) -> list[str]:
    """Return what the main metric shows, and the notes."""
    told = []
    key = report.first.main.scorer.key
    found = next((one for name, one in report.differences.items() if name.startswith(key)), None)
    if report.against is not None and found is not None:
        scorer = report.first.main.scorer
        if found.shown:
            told.append(
                f"The {scorer.name} differs by more than chance gives ({found.test}, p = {found.p:.2g})."
            )
        elif found.smallest is None:
            told.append(f"{found.rows} rows show no difference in {scorer.name}.")
        else:
            least = amount(found.smallest, scorer)
            told.append(
                f"{found.rows} rows show no difference in {scorer.name}: they detect {least} or more."
            )
    sides = [report.first, *([] if report.against is None else [report.against])]
    told += report.notes
    for side in sides:
        told += [f"{printable(side.name)}: {note}" if len(sides) > 1 else note for note in side.notes]
        if words := _usage(side):
            told.append(f"{printable(side.name)}: {words}." if len(sides) > 1 else f"{words}.")
    return told


def _usage(side: Evaluation) -> str:
    used = side.usage
    parts = []
    if used.tokens_in is not None and used.tokens_out is not None:
        parts.append(f"{used.tokens_in:.0f} tokens in and {used.tokens_out:.0f} out per answer")
    if used.seconds is not None:
        parts.append(f"{real(used.seconds, 3)} s per answer")
    return ", ".join(parts)


def _labels(console: Console, side: Evaluation) -> None:
    assert side.labels is not None
    listed = side.labels.labels
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("label", "rows", "precision", "recall", "F1"):
        table.add_column(heading, justify="left" if heading == "label" else "right")
    for one in listed[:MOST_LABELS]:
        cells = [_share(one.precision), _share(one.recall), _share(one.f1)]
        table.add_row(Text(printable(one.label)), str(one.rows), *cells)
    console.print(table)
    if len(listed) > MOST_LABELS:
        console.print(Text(f"{len(listed) - MOST_LABELS} more labels are in --json.", style="dim"))
    for wanted, given, rows in side.labels.confused():
        console.print(Text(f"{rows} × {printable(wanted)} answered as {printable(given)}"), soft_wrap=True)


def _share(given: float | None) -> str:
    return MISSING if given is None else f"{given:.2f}"
