"""The table of `tuiftune runs`: state, progress, and scores before and after."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tuiftune import paths
from tuiftune.cli.terminal import COLORS, Sign, out, plain, sign, unicode
from tuiftune.figures import duration, percent
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.store.directory import default_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuiftune.runs.state.summary import Summary

SIGNS: dict[str, Sign] = {
    "running": "info",
    "done": "ok",
    "new": "info",
    "queued": "info",
    "stopped": "warn",
    "preempted": "warn",
    "killed": "warn",
}
RUNNING_COLOR = "cyan"
BAR_CELLS = 8
NARROW = 110  # columns: below, bars and places leave their room to names and scores


def show(summaries: Sequence[Summary]) -> None:
    """Print the table; if standard output is not a terminal, one full line per run."""
    if plain():
        for summary in summaries:
            out().print(Text("  ".join(_cells(summary))), soft_wrap=True)
        return
    narrow = out().width < NARROW
    table = Table(box=None, pad_edge=False, header_style="bold")
    scores = "before → after" if unicode() else "before -> after"
    for heading in ("state", "run", "" if narrow else "progress", scores, "active"):
        names = heading == "run" and narrow  # over several lines: what is typed in commands is never cut
        table.add_column(heading, no_wrap=not names, overflow="fold" if names else "ellipsis")
    if not narrow:
        table.add_column("where", overflow="ellipsis", no_wrap=True, ratio=1)
    for summary in summaries:
        state, *cells = _cells(summary)
        if narrow:
            name, progress, *rest, where = cells
            elsewhere = "" if where == _where(paths.absolute(default_root())) else f"\n{where}"
            cells = [name + elsewhere, progress.rpartition(" ")[2], *rest]
        table.add_row(Text(state, style=_color(summary)), *map(Text, cells))
    out().print(table)


def _cells(summary: Summary) -> tuple[str, ...]:
    return (
        f"{sign(_sign(summary))} {summary.vitals.state}",
        printable(summary.run.name),
        _progress(summary),
        _scores(summary),
        f"{duration(max(0.0, time.time() - summary.active))} ago",
        printable(_where(summary.run.path.parent)),
    )


def _sign(summary: Summary) -> Sign:
    return SIGNS.get(summary.vitals.state, "bad")


def _color(summary: Summary) -> str:
    return RUNNING_COLOR if summary.vitals.running else COLORS[_sign(summary)]


def _progress(summary: Summary) -> str:
    share = summary.progress
    if share is None:
        return "-"
    full, empty = ("█", "░") if unicode() else ("#", ".")
    filled = round(share * BAR_CELLS)
    return full * filled + empty * (BAR_CELLS - filled) + f" {percent(share):>5}"


def _scores(summary: Summary) -> str:
    """Return exact match before and after if it was measured, else eval loss."""
    arrow = "→" if unicode() else "->"
    if summary.match_before is not None or summary.match_after is not None:
        return f"exact match {percent(summary.match_before)} {arrow} {percent(summary.match_after)}"
    if summary.loss_before is not None or summary.loss_after is not None:
        return f"eval loss {figure(summary.loss_before)} {arrow} {figure(summary.loss_after)}"
    return "-"


def _where(root: Path) -> str:
    """Return the directory of the runs in its shortest form."""
    near = paths.from_here(root)
    if near != str(root):
        return near if near == os.curdir else os.path.join(os.curdir, near)
    home = os.path.expanduser("~")
    return str(root).replace(home, "~", 1) if str(root).startswith(home + os.sep) else str(root)
