"""A comparison as rows of words: the one table that the command line and the app both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate.statistics import in_words
from tuiftune.figures import duration, interval, money, percent, short, size
from tuiftune.metrics import METRICS
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.runs.reports.compare import Comparison, Contender

MISSING = "—"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a heading (no cells), or a cell for each run. `best` is the column that leads."""

    label: str
    cells: tuple[str, ...] = ()
    best: int | None = None


def rows(comparison: Comparison) -> list[Row]:
    """Headings and rows from top to bottom: what differs, what came of it, what it took.

    No run leads where the base models differ, and none by its losses where these are not of one kind.
    """
    runs = comparison.runs

    def facts(label: str, write: Callable[[Contender], str], rank: str = "", sign: int = 0) -> Row:
        best = _leader([getattr(run, rank) for run in runs], sign) if rank else None
        return Row(label, tuple(write(run) for run in runs), best)

    differing = [
        Row(one.key, tuple(_written(value) for value in one.values)) for one in comparison.settings
    ] or [Row("none", tuple("the same" for _ in runs))]
    lower = -1 if all(one.key != "model.base" for one in comparison.settings) else 0
    loss = lower if comparison.alike else 0
    return [
        Row("Settings that differ"),
        *differing,
        Row("Outcome"),
        facts("state", _standing),
        facts("training loss", lambda run: figure(run.loss)),
        facts("eval loss before", lambda run: figure(run.eval_before)),
        facts("eval loss after", lambda run: figure(run.eval_after), "eval_after", loss),
        facts("best eval loss", _best, "best_eval", loss),
        facts("exact match before", lambda run: percent(run.match_before)),
        facts("exact match after", _match),
        *_others(runs, loss != 0),
        Row("Cost"),
        facts("tokens/s", lambda run: _count(run.tokens_per_second), "tokens_per_second", -lower),
        facts("time", lambda run: duration(run.seconds)),
        facts("memory, peak", lambda run: size(run.memory_peak), "memory_peak", lower),
        facts("memory, predicted", lambda run: size(run.memory_predicted)),
        facts("money", _money, "usd", lower),
        facts("device", lambda run: printable(run.device) or MISSING),
    ]


def sentences(comparison: Comparison) -> list[str]:
    """What the paired answers support, and what is not comparable."""
    said = [
        f"{pair.second} compared with {pair.first} on the same {pair.rows} rows: {pair.gained} changed from "
        f"wrong to right, {pair.lost} from right to wrong; {in_words(pair.p)} (McNemar's exact test)."
        for pair in comparison.pairs
    ]
    return [printable(line) for line in [*said, *(f"{remark}." for remark in comparison.remarks)]]


def _others(runs: Sequence[Contender], comparable: bool) -> Iterator[Row]:
    """A row for each metric that is compared and has none of its own, where any run has it."""
    for name in dict.fromkeys(name for run in runs for name in run.metrics):
        metric = next((one for one in METRICS if one.name == name), None)
        values = [run.metrics.get(name) for run in runs]
        sign = {"lower": -1, "higher": 1}.get(metric.better, 0) if metric and comparable else 0
        label = metric.label if metric else name
        yield Row(label, tuple(figure(value) for value in values), _leader(values, sign))


def _leader(values: list[float | None], sign: int) -> int | None:
    """The place of the lowest (sign -1) or highest (+1) value; None unless one alone leads."""
    known = [(value * sign, at) for at, value in enumerate(values) if value is not None]
    if not sign or len(known) < 2:
        return None
    known.sort(reverse=True)
    return known[0][1] if known[0][0] > known[1][0] else None


def _standing(run: Contender) -> str:
    total = f" of {run.total_steps:,}" if run.total_steps else ""
    return f"{run.state}, step {run.step:,}{total}"


def _best(run: Contender) -> str:
    return figure(run.best_eval) + _where(run.best_step)


def _match(run: Contender) -> str:
    if run.interval is None:
        return percent(run.match_after)
    low, high = run.interval
    return f"{percent(run.match_after)} of {run.rows} ({interval(low, high)})"


def _money(run: Contender) -> str:
    if run.usd is None or run.usd_per_hour is None:
        return MISSING
    return f"{money(run.usd)} at {money(run.usd_per_hour)}/h"


def _count(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _written(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return short(value)
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _where(step: int | None) -> str:
    """Where the lowest eval loss was."""
    if step is None:
        return ""
    return f" at step {step:,}" if step else " (base model)"
