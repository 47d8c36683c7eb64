"""A study while it runs and when it has ended: a line for each variant, with a bar of what it gained."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuiftune import paths
from tuiftune.cli.terminal import bar, err, out, plain, say, sign, unicode
from tuiftune.errors import ExitCode
from tuiftune.figures import MISSING, duration, money, percent, plural
from tuiftune.jobs.study import standing
from tuiftune.jobs.study.trial import DONE, EARLY, ENDED, FAILED, RUNNING
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from tuiftune.jobs.study.standing import Standing
    from tuiftune.jobs.study.study import Study
    from tuiftune.jobs.study.trial import Trial

CELLS = 12
SHOWN_FAILED = 5
ENDED_BY = (signal.SIGTERM, signal.SIGHUP)
SIGNS = {DONE: "ok", EARLY: "info", RUNNING: "to do", "waiting": "info"}


@contextmanager
def watching() -> Iterator[Callable[[Study], None]]:
    """Yield what a study tells: bars on a terminal, elsewhere one line for each run that ended."""
    console = err()
    told: set[str] = set()
    kept = [(number, signal.signal(number, _ended)) for number in ENDED_BY if _is_heard(number)]

    def lines(study: Study) -> None:
        for trial in study.trials:
            if trial.state in ENDED and trial.run not in told:
                told.add(trial.run)
                say(_told(study, trial))

    try:
        if console.quiet or not console.is_terminal or plain():
            yield lines
            return
        from rich.live import Live

        with Live(console=console, refresh_per_second=4, transient=True, redirect_stdout=False) as live:
            yield lambda study: live.update(_living(study))
    except KeyboardInterrupt as interrupt:
        say("Stopped. The same command continues from here.")
        if isinstance(interrupt, Ended):
            raise typer.Exit(ExitCode.STOPPED) from None
        raise
    finally:
        for number, handler in kept:
            signal.signal(number, handler)


class Ended(KeyboardInterrupt):
    """A scheduler, or a terminal that closes, ended the command: its runs are stopped as by Ctrl+C."""


def _ended(number: int, frame: FrameType | None) -> None:
    for one in ENDED_BY:
        signal.signal(one, signal.SIG_IGN)  # what it runs is being stopped
    raise Ended


def _is_heard(number: int) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN


def say_failed(study: Study) -> bool:
    """Say which runs failed. Returns False if none did."""
    failed = [trial for trial in study.trials if trial.state == FAILED]
    for trial in failed[:SHOWN_FAILED]:
        path = study.directory / trial.run
        log = f". See its log: `tuiftune logs {path}`" if paths.exists(path) else ""
        say(f"failed: {trial.run}: {printable(trial.why)}{log}")
    if failed:
        say(f"{len(failed)} of {plural(len(study.trials), 'run')} failed: the others are compared.")
    return bool(failed)


def _told(study: Study, trial: Trial) -> str:
    done = sum(one.state in ENDED for one in study.trials)
    loss = f", eval loss {figure(trial.latest)}" if trial.latest is not None else ""
    why = f" ({trial.why})" if trial.why else ""
    return f"{trial.run}: {trial.state}{loss}{why} [{done} of {len(study.trials)}]"


def _living(study: Study) -> Group:
    """The bars as far as they are known, and what runs."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for one in standing.standings(study):
        table.add_row(*_cells(study, one))
    running = [trial for trial in study.trials if trial.state == RUNNING]
    now = ", ".join(
        f"{trial.run} step {trial.step}{f' of {trial.steps}' if trial.steps else ''}" for trial in running
    )
    done = sum(trial.state in ENDED for trial in study.trials)
    head = f"{done} of {plural(len(study.trials), 'run')}" + (f" · {now}" if now else "")
    return Group(table, Text(printable(head), style="dim"))


def show(
    study: Study,
    found: Sequence[Standing],
    chosen: Standing | None,
    usd: float | None,
    usd_per_hour: float | None = None,
) -> None:
    """Print the variants, the best first: a table on a terminal, a line each elsewhere."""
    console = out()
    base = standing.base_loss(study)
    if plain():
        for one in found:
            mark = " (recommended)" if one is chosen else ""
            cells = [
                cell.plain if isinstance(cell, Text) else cell for cell in _cells(study, one, usd_per_hour)
            ]
            console.print(
                Text(f"{cells[0]}{mark}: {'; '.join(cell for cell in cells[1:] if cell)}"), soft_wrap=True
            )
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("", no_wrap=True)
        table.add_column("gain", no_wrap=True)
        for heading in ("eval loss", "to the best (95% CI)", "time and cost", ""):
            table.add_column(heading, overflow="fold")
        for one in found:
            label, *rest = _cells(study, one, usd_per_hour)
            table.add_row(str(label).replace(", ", "\n"), *rest, style="bold" if one is chosen else "")
        console.print(table)
    spent = f", {money(usd)}" if usd is not None else ""
    seeds = plural(len(study.seeds), "seed")
    steps = f"{plural(study.steps, 'step')} each, " if study.steps else ""
    base_words = f"Base model: eval loss {figure(base)}. " if base is not None else ""
    console.print(
        Text(f"{base_words}{steps}{seeds}, {duration(study.seconds)} of training{spent}.", style="dim"),
        soft_wrap=True,
    )


def _cells(study: Study, one: Standing, usd_per_hour: float | None = None) -> tuple[str | Text, ...]:
    loss = one.loss if one.loss is not None else one.latest
    base = standing.base_loss(study)
    losses = [each for trial in study.trials if (each := trial.latest) is not None]
    gain = 0.0
    if loss is not None and base is not None and losses and min(losses) < base:
        gain = max(0.0, (base - loss) / (base - min(losses)))
    change = ""
    if one.difference is not None and one.interval is not None:
        low, high = one.interval
        to = "–" if unicode(sys.stdout) and low >= 0 else " to "
        change = f"{one.difference:+.3g} ({low:.3g}{to}{high:.3g})"
        change += " tied" if one.tied else ""
    elif one.difference is not None:
        change = "the best" if one.difference == 0 else f"{one.difference:+.3g}"
    match = "" if one.exact_match is None else f"; exact match {percent(one.exact_match)}"
    mark = sign(SIGNS.get(one.state, "bad"))  # type: ignore[arg-type]
    state = f"{mark} {one.state}" + (f": {one.why}" if one.why and one.state not in (EARLY,) else "")
    return (
        printable(one.variant.label),
        Text(bar(gain, CELLS), style="green" if one.tied else "cyan"),
        f"{figure(loss) if loss is not None else MISSING}{match}",
        change,
        duration(one.seconds)
        + ("" if usd_per_hour is None else f", {money(one.seconds / 3600 * usd_per_hour)}"),
        printable(state),
    )
