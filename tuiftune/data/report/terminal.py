"""The quality report in a terminal of 80 columns: facts, lengths as bars, checks with their remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuiftune.data import labels
from tuiftune.data.excerpt import excerpt
from tuiftune.data.read.files import shown as as_written
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.data.checks.check import Check
    from tuiftune.data.inspect import QualityReport

SIGNS = {
    "error": ("✗", "X", "red"),
    "warning": ("!", "!", "yellow"),
    "info": ("·", "-", "cyan"),
    "ok": ("✓", "+", "green"),
}
BLOCKS = " ▁▂▃▄▅▆▇█"


def bar(share: float, width: int, unicode: bool = True) -> str:
    """A horizontal bar of `width` cells for a share in [0, 1], in eighths of a cell (or # in ASCII)."""
    if not unicode:
        return "#" * max(1 if share > 0 else 0, round(share * width))
    eighths = max(1 if share > 0 else 0, round(share * width * 8))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def columns(counts: list[int], unicode: bool = True) -> str:
    """Counts as one line of rising blocks (digits 0-9 in ASCII)."""
    most = max(counts, default=0) or 1
    if not unicode:
        return "".join(str(round(9 * count / most)) for count in counts)
    return "".join(BLOCKS[max(1 if count else 0, round(8 * count / most))] for count in counts)


def render(report: QualityReport, console: Console) -> None:
    """Print the whole report."""
    unicode = _can_draw(console)
    dataset = report.dataset
    names = [as_written(path) for path in dataset.files]
    shown = printable(names[0]) if len(names) == 1 else f"{printable(names[0])} and {len(names) - 1} more"
    usable = int(dataset.usable.sum())
    rows = f"{dataset.rows:,} rows" + (f", {usable:,} of them usable" if usable != dataset.rows else "")
    console.print(f"[bold]{escape(shown)}[/]")
    console.print(
        f"  [bold]{dataset.format}[/] · {rows} · for {dataset.stage} · {dataset.confidence:.0%} confidence"
    )
    for sentence in dataset.evidence:
        console.print(Padding(Text(printable(sentence), "dim"), (0, 0, 0, 2), expand=False))
    for sentence in dataset.lost:
        console.print(Padding(Text("lost: " + printable(sentence), "yellow"), (0, 0, 0, 2), expand=False))
    _lengths(report, console, unicode)
    _labels(report, console, unicode)
    console.print()
    for check in report.checks:
        if check.severity != "ok":
            _check(check, console, unicode)
    passed = [check.title for check in report.checks if check.severity == "ok"]
    if passed:
        sign = SIGNS["ok"][0 if unicode else 1]
        console.print(Text(f"{sign} passed: ", "green").append(", ".join(passed), "dim"))


def _can_draw(console: Console) -> bool:
    try:
        BLOCKS.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _lengths(report: QualityReport, console: Console, unicode: bool) -> None:
    lengths = report.lengths
    quantiles = lengths["quantiles"]
    if not quantiles:
        return
    console.print()
    console.print(f"[bold]Length[/] tokens per row, {escape(lengths['basis'])}")
    counts = lengths["histogram"]["counts"]
    edges = lengths["histogram"]["edges"]
    console.print(
        Text(f"  {edges[0]:>6,} ").append(columns(counts, unicode), "cyan").append(f" {quantiles['100']:,}")
    )
    said = [f"{'median' if key == '50' else key + '%'} {quantiles[key]:,}" for key in ("5", "50", "95", "99")]
    console.print(f"  {' · '.join(said)} · answers {lengths['answer_mean']:,} on average")


def _labels(report: QualityReport, console: Console, unicode: bool) -> None:
    if not report.labels:
        return
    console.print()
    console.print(f"[bold]Labels[/] {labels.told(len(labels.counted(report.labels)), len(report.labels))}")
    most = report.labels[0][1]
    shown = report.labels if len(report.labels) <= 10 else (*report.labels[:6], *report.labels[-3:])
    for place, (label, count) in enumerate(shown):
        if len(report.labels) > 10 and place == 6:
            console.print(f"  {'…' if unicode else '...'} {len(report.labels) - 9} more")
        line = Text(f"  {excerpt(label, 30):<30} {count:>7,} ").append(bar(count / most, 30, unicode), "cyan")
        console.print(line)


def _check(check: Check, console: Console, unicode: bool) -> None:
    rich_sign, plain_sign, color = SIGNS[check.severity]
    sign = rich_sign if unicode else plain_sign
    rows = ", ".join(str(row) for row in check.rows[:8]) + (" …" if check.count > 8 else "")
    head = Text(f"{sign} {printable(check.title)}", f"bold {color}").append(f" {check.count:,}", "bold")
    if check.rows:
        head.append(f"  {'row' if check.count == 1 else 'rows'} {rows}", "dim")
    console.print(head)
    console.print(Padding(Text(printable(check.why)), (0, 0, 0, 2), expand=False))
    for example in check.examples:
        console.print(
            Padding(
                Text(printable(example), "dim", overflow="ellipsis", no_wrap=True), (0, 0, 0, 4), expand=False
            )
        )
    if check.remedy:
        arrow = "→" if unicode else "->"
        console.print(Padding(Text(f"{arrow} {check.remedy}", "green"), (0, 0, 0, 2), expand=False))
