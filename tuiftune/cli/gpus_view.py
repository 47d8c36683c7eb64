"""The ranking of GPUs of `tuiftune plan --gpu any`, for a person and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from tuiftune.figures import MISSING, money, roughly, size
from tuiftune.plan.gpus import fastest, shortlist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tuiftune.hardware.prices import Prices
    from tuiftune.plan.gpus import Choice

HEADINGS = ("GPUs", "technique", "needs each", "time", "cost", "an hour", "price of")
ALIGNED_LEFT = ("GPUs", "technique", "price of")
LEFT_OUT = ("needs each", "an hour")  # on a terminal that is not wide
WIDE = 110  # columns


def show(found: Sequence[Choice], prices: Prices, console: Console) -> None:
    """Print the cheapest way to rent each GPU, the fastest of all, and how old the prices are."""
    listed = shortlist(found)
    table = Table(box=None, pad_edge=False, header_style="bold")
    wide = console.width >= WIDE
    shown = [at for at, heading in enumerate(HEADINGS) if wide or heading not in LEFT_OUT]
    for at in shown:
        left = HEADINGS[at] in ALIGNED_LEFT
        table.add_column(HEADINGS[at], no_wrap=True, justify="left" if left else "right")
    for one in listed:
        cells = _cells(one)
        table.add_row(*(Text(cells[at]) for at in shown))
    console.print(table)
    if (quick := fastest(found)) is not None:
        console.print(f"Fastest: {quick.count} × {quick.gpu}, {_time(quick)}, {_cost(quick)}")
    too_small = {one.gpu for one in found} - {one.gpu for one in listed}
    if too_small:
        console.print(Text(f"Too small, even several: {', '.join(sorted(too_small))}", style="dim"))
    for note in prices.notes:
        console.print(Text(note, style="dim"))
    console.print(
        Text("Prices move: `--prices FILE` takes your own (gpu, usd_per_hour, source, date).", style="dim")
    )


def document(found: Sequence[Choice], prices: Prices) -> dict[str, Any]:
    """Return all that was planned: what fits first, the cheapest before the others."""
    return {"choices": [_document(one) for one in found], "notes": prices.notes}


def _cells(one: Choice) -> tuple[str, ...]:
    price = one.price
    return (
        f"{one.count} × {one.gpu}",
        one.technique,
        f"{size(one.needs)} of {size(one.available)}",
        _time(one),
        _cost(one),
        MISSING if price is None else _range(price.low, price.high),
        MISSING if price is None else " · ".join(filter(None, (price.provider, _kind(one), price.date))),
    )


def _time(one: Choice) -> str:
    return roughly(None if one.hours is None else one.hours * 3600)


def _cost(one: Choice) -> str:
    return "no price known" if one.usd is None else _range(*one.usd)


def _kind(one: Choice) -> str:
    return "spot" if one.price is not None and one.price.spot else ""


def _range(low: float, high: float) -> str:
    return money(low) if money(low) == money(high) else f"{money(low)}–{money(high)}"


def _document(one: Choice) -> dict[str, Any]:
    price, usd = one.price, one.usd
    return {
        "gpu": one.gpu,
        "count": one.count,
        "fits": one.fits,
        "technique": one.technique,
        "needs": one.needs,
        "memory_available": one.available,
        "hours": one.hours,
        "usd_low": None if usd is None else usd[0],
        "usd_high": None if usd is None else usd[1],
        "per_hour_low": None if price is None else price.low,
        "per_hour_high": None if price is None else price.high,
        "provider": None if price is None else price.provider or None,
        "spot": price is not None and price.spot,
        "source": None if price is None else price.source,
        "date": None if price is None else price.date,
    }
