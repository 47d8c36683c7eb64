"""`tuiftune ship`: SHIP or DON'T SHIP, each condition with the figure that decides it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.evaluate import prices, scorers
from tuiftune.evaluate.measured import BOUNDED
from tuiftune.evaluate.task import task_of
from tuiftune.evaluate.wording import signed, value
from tuiftune.figures import money
from tuiftune.jobs import benchmarking, evaluating
from tuiftune.runs.reports import concluded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.evaluate.scorers.base import Scorer
    from tuiftune.jobs.benchmarking import Benchmark
    from tuiftune.jobs.contenders import Contenders, Target
    from tuiftune.jobs.evaluating import Report


ROUNDING = 1e-9  # of sums of floats: 0.3 - 0.2 is below 0.1


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: what is wanted, what was measured, and whether that is enough."""

    key: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Shipping:
    """All conditions; the model ships if every one is met.

    Attributes:
        rows_used: which rows the gain was measured on.
    """

    conditions: tuple[Condition, ...]
    rows_used: str
    notes: tuple[str, ...] = ()

    @property
    def ships(self) -> bool:
        """Return True if every condition is met."""
        return all(one.met for one in self.conditions)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints and the run keeps."""
        return {
            "ship": self.ships,
            "conditions": [asdict(one) for one in self.conditions],
            "rows_used": self.rows_used,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a model. None: not asked.

    Attributes:
        gain: least gain of the main metric, in its unit (a share as 0.05).
        forgetting: largest share of probe questions lost, and relative rise on plain text.
        price: most US dollars for 1,000 answers, at `hour` US dollars an hour.
    """

    gain: float | None = None
    forgetting: float | None = None
    price: float | None = None
    hour: float | None = None


def ship(
    contenders: Contenders,
    wanted: Target,
    limits: Limits,
    *,
    data: str | None = None,
    metrics: list[str] | None = None,
    rows: int | None = None,
    cache: Path | None = None,
    look: Callable[[Any], str] = lambda questions: "",
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Shipping:
    """Measure what the limits ask for, and compare.

    Raises:
        UserError: if no limit is given, or a figure cannot be measured.
    """
    run = wanted.run
    if run is None:
        raise UserError("is not a run", place=wanted.text, remedy="name a finished run")
    if limits == Limits(hour=limits.hour):
        raise UserError(
            "names no condition",
            place="ship",
            remedy="add --min-gain 0.05 (5 points over the base model), --max-forgetting or --max-price",
        )
    _check(limits, metrics or ())
    conditions: list[Condition] = []
    notes: list[str] = []
    used = ""
    if limits.gain is not None or limits.price is not None:
        asked = evaluating.rows_of(data, run, rows)
        used = _used(asked.source, data)
        if limits.gain is not None and not metrics:
            task = task_of([one.reference for one in asked.questions], [one.reference for one in asked.train])
            _check_gain(limits.gain, evaluating.scorers_for(task, (), losses=True)[0][0][0])
        if asked.source == evaluating.TEST and (again := look(asked.questions)):
            notes.append(again)
        report = evaluating.evaluate(
            contenders.responder(wanted),
            asked,
            against=contenders.base_of(wanted),
            metrics=metrics or (),
            cache=cache,
            progress=progress,
        )
        notes += report.notes
        if limits.gain is not None:
            conditions.append(_gain(report, limits.gain))
        if limits.price is not None:
            conditions.append(_price(report, limits))
    if limits.forgetting is not None:
        made = benchmarking.benchmark(contenders, wanted, parts=("forgetting",), progress=progress)
        concluded.keep(run, "benchmark", made.document())
        conditions.append(_forgetting(made, limits.forgetting))
    return Shipping(tuple(conditions), used, tuple(dict.fromkeys((*notes, *contenders.notes))))


def _used(source: str, data: str | None) -> str:
    """Which rows the gain is measured on; a card names it, so a file goes without its directory."""
    if data is not None:
        return f"rows of {Path(data).name}"
    return "test rows" if source == evaluating.TEST else evaluating.SELECTED


def _check(limits: Limits, metrics: Sequence[str]) -> None:
    """UserError for a limit that no figure can meet, or that every figure meets."""
    for option, given in (
        ("--min-gain", limits.gain),
        ("--max-forgetting", limits.forgetting),
        ("--max-price", limits.price),
        ("--usd-per-hour", limits.hour),
    ):
        if given is not None and not (math.isfinite(given) and given >= 0):
            raise UserError(
                "must be 0 or more", place=f"{option} {given:g}", remedy="write 0.05 for 5 points"
            )
    if limits.forgetting is not None and limits.forgetting > 1:
        share = limits.forgetting / 100
        remedy = f"write {share:g} for {share:.0%}" if share <= 1 else "write 0.02 for 2%"
        what = f"is {limits.forgetting:.0%}: more than can be forgotten"
        raise UserError(what, place=f"--max-forgetting {limits.forgetting:g}", remedy=remedy)
    if metrics and limits.gain is not None:
        main = scorers.named(metrics)[0][0]
        main.must_rank()
        _check_gain(limits.gain, main)


def _check_gain(least: float, scorer: Scorer) -> None:
    """UserError for a gain that the metric cannot have."""
    most = BOUNDED.get(scorer.unit)
    if most is None or least <= most:
        return
    remedy = f"write {least / 100:g} for {least:g} points" if most == 1 and least <= 100 else "ask for less"
    what = f"cannot be reached: {scorer.name} is {most:g} at most"
    raise UserError(what, place=f"--min-gain {least:g}", remedy=remedy)


def _gain(report: Report, least: float) -> Condition:
    """A gain counts if it is large enough and more than chance gives."""
    main = report.first.main
    scorer = main.scorer
    key = next(iter(report.first.scores))
    found = report.differences.get(key)
    wanted = f"gain in {scorer.name} of {signed(least, scorer)} or more, beyond chance"
    if found is None or report.against is None:
        return Condition("min-gain", wanted, "not measured", False)
    change = -found.value if scorer.better == "lower" else found.value
    low, high = found.interval if found.interval is not None else (found.value, found.value)
    sides = f"{value(report.against.scores[key])} before, {value(main)} after, {found.rows} rows"
    sure = f"95% CI {signed(low, scorer)} to {signed(high, scorer)}, p = {found.p:.2g}"
    words = f"{signed(found.value, scorer)} ({sure}): {sides}"
    enough = change >= least - ROUNDING and change > 0
    return Condition("min-gain", wanted, words, enough and found.shown)


def _price(report: Report, limits: Limits) -> Condition:
    wanted = f"at most {money(limits.price)} for 1,000 answers"
    found = prices.per_thousand(report.first.usage, prices.Rates(hour=limits.hour), endpoint=False)
    if found is None:
        raise UserError("needs the price of the machine", place="--max-price", remedy="add --usd-per-hour")
    assert limits.price is not None
    return Condition("max-price", wanted, money(found), found <= limits.price)


def _forgetting(made: Benchmark, most: float) -> Condition:
    wanted = (
        f"at most {most:.1%} of the probe questions lost, and {most:.1%} more bits per byte on plain text"
    )
    found = made.forgetting
    if found is None:
        return Condition("max-forgetting", wanted, "not measured: there is no base model", False)
    words = f"{found.lost:.1%} lost, {found.rise:+.1%} bits per byte. {found.says}"
    return Condition("max-forgetting", wanted, words, found.worst <= most + ROUNDING)
