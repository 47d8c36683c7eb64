"""Where a run is, how long it takes and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import figures
from tuiftune.figures import duration, percent, roughly
from tuiftune.runs.state.ahead import spending
from tuiftune.runs.state.eta import SETTLED
from tuiftune.runs.state.narrate import PHASES
from tuiftune.runs.status.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

NEAR_CAP = 0.9


def time(state: RunState, planned: Planned) -> Iterator[Fact]:
    """Phase, steps, tokens, time spent and left."""
    yield _phase(state)
    of = f" of {state.total_steps:,}" if state.total_steps else ""
    done = f" ({percent(state.progress)})" if state.progress is not None else ""
    epoch = (
        ""
        if state.values.get("epoch") is None
        else f", epoch {state.values.get('epoch'):.2f}" + _of(state.epochs)
    )
    yield Fact(
        "time",
        "steps",
        f"{state.step:,}{of}{done}{epoch}",
        "optimizer steps done; each updates the weights once from one effective batch",
    )
    if state.tokens is not None:
        planned_tokens = f" of {planned.tokens:,} planned" if planned.tokens else ""
        yield Fact(
            "time",
            "tokens",
            f"{state.tokens:,}{planned_tokens}",
            "tokens trained on so far, without padding; the plan counts rows times their mean length",
        )
    yield _speed(state, planned)
    starts = f", in {state.starts} starts" if state.starts > 1 else ""
    spent = ", ".join(f"{PHASES.get(name, name)} {duration(took)}" for name, took in _longest(state))
    yield Fact(
        "time",
        "elapsed",
        f"{duration(state.seconds)}{starts}",
        "run time, including loading; pauses before a resume are excluded. "
        f"Most of it: {spent or 'nothing yet'}",
    )
    yield _left(state, planned)


def money(state: RunState, planned: Planned) -> Iterator[Fact]:
    """What was spent, what it will take, and the cap."""
    seen = spending(state, planned)
    if seen.per_hour is None:
        yield Fact(
            "money",
            "price",
            "not known",
            "the price table does not list this machine; set budget.usd_per_hour",
        )
    else:
        yield Fact("money", "spent", figures.money(seen.spent), _times(state.seconds, seen.per_hour))
        if state.end is None:
            left = state.eta.seconds
            why = _times(left, seen.per_hour) if left is not None else state.eta.basis
            value = figures.money(seen.to_finish)
            if seen.total is not None:
                value += f", {figures.money(seen.total)} in total"
            foreseen = f"; {figures.money(planned.usd)} predicted for the steps alone" if planned.usd else ""
            yield Fact("money", "to finish", value, why + foreseen)
        yield Fact(
            "money", "price", f"{figures.money(seen.per_hour)} an hour", planned.price_basis or "of the plan"
        )
    if seen.cap is None or seen.used is None or seen.left_to_cap is None:
        yield Fact(
            "money",
            "limit",
            "none",
            "at budget.max_usd or budget.max_hours a run saves a checkpoint and stops",
        )
        return
    near = seen.used >= NEAR_CAP and state.end is None
    yield Fact(
        "money",
        "limit",
        f"{percent(seen.used)} of the {seen.cap} used",
        f"at the limit the run saves a checkpoint and stops, in {duration(max(0.0, seen.left_to_cap))}"
        ". Raise it with `tuiftune resume --max-usd` or `--max-hours`",
        "warning" if near else "",
    )


def money_line(state: RunState, planned: Planned) -> str:
    """ "$0.41 spent, $1.20 to finish, 34 % of the cap of $5.00 used"; "" without a price and a cap."""
    seen = spending(state, planned)
    parts = [] if seen.spent is None else [f"{figures.money(seen.spent)} spent"]
    if seen.to_finish and state.end is None:
        parts.append(f"{figures.money(seen.to_finish)} to finish")
    if seen.cap is not None:
        parts.append(f"{percent(seen.used)} of the {seen.cap} used")
    return ", ".join(parts)


def _phase(state: RunState) -> Fact:
    phase = state.phase
    words = PHASES.get(phase.name, phase.name) or "starting"
    if phase.total and phase.done is not None and phase.name != "training":
        words += f", {phase.done:,} of {phase.total:,}"
    if state.end is not None:
        words = f"ended: {state.end.state}"
    since = duration(max(0.0, state.seconds - phase.since))
    detail = f" ({phase.detail})" if phase.detail else ""
    return Fact("time", "phase", words, f"as the training process reports it{detail}, for {since}")


def _speed(state: RunState, planned: Planned) -> Fact:
    measured, foreseen = state.values.get("tokens_per_second"), planned.tokens_per_second
    value = "—" if measured is None else f"{measured:,.0f} tokens/s"
    if measured is not None and foreseen:
        value += f", {percent(measured / foreseen)} of predicted"
    elif foreseen:
        value = f"{foreseen:,.0f} tokens/s predicted"
    why = "" if measured is None else "over the last 16 steps, without evaluations and checkpoints"
    if foreseen:
        why += (
            f"{'; ' if why else ''}predicted: {foreseen:,.0f} tokens/s, {planned.speed_basis or 'predicted'}"
        )
    return Fact("time", "speed", value, why or "not measured yet")


def _left(state: RunState, planned: Planned) -> Fact:
    eta = state.eta
    if state.end is not None:
        return Fact("time", "left", "nothing", f"{state.end.why or state.end.state}")
    foreseen = f"; {duration(planned.seconds)} predicted for all steps" if planned.seconds else ""
    if eta.seconds is None:
        return Fact("time", "left", "not known yet", f"{eta.basis}{foreseen}")
    if eta.predicted:
        basis = f"predicted until {SETTLED} steps are measured"
        return Fact("time", "left", f"about {roughly(eta.seconds)}, predicted", basis + foreseen)
    return Fact("time", "left", f"about {roughly(eta.seconds)}, measured", f"{eta.basis}{foreseen}")


def _longest(state: RunState) -> list[tuple[str, float]]:
    return sorted(state.phases.items(), key=lambda item: -item[1])[:3]


def _times(seconds: float | None, per_hour: float) -> str:
    return f"{duration(seconds or 0.0)} at {figures.money(per_hour)} an hour"


def _of(total: float | None) -> str:
    return "" if total is None else f" of {total:g}"
