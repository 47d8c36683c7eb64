"""Which GPU to rent: the same preset planned for every known GPU, by what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.hardware.known_gpus import GPUS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.hardware.prices import Price, Prices
    from tuiftune.plan.model import Plan

COUNTS = (1, 2, 4, 8)  # GPUs of one machine, as they are rented


@dataclass(frozen=True, slots=True)
class Choice:
    """A preset on some GPUs: bytes of each, hours, and US dollars in all, None where not known."""

    gpu: str
    count: int
    fits: bool
    technique: str
    needs: int
    available: int
    hours: float | None
    price: Price | None

    @property
    def usd(self) -> tuple[float, float] | None:
        """From the cheapest known offer to the dearest."""
        if self.price is None or self.hours is None:
            return None
        hours = self.hours * self.count
        return hours * self.price.low, hours * self.price.high

    @property
    def cost(self) -> float:
        """What choices are sorted by: the middle of the dollars; those without a price come last."""
        return sum(self.usd) / 2 if self.usd else float("inf")


def choices(
    plan: Callable[[str], Plan],
    prices: Prices,
    counts: Sequence[int] = COUNTS,
    watch: Callable[[int], None] | None = None,
) -> list[Choice]:
    """Plan for every known GPU and count. What fits comes first, the cheapest before the others.

    Args:
        plan: returns the plan for a `--gpu` such as H100:2; a count that the preset refuses is passed over.
        watch: called with the number of plans so far.
    """
    found: list[Choice] = []
    made = 0
    for gpu in GPUS:
        for count in counts:
            made += 1
            if watch:
                watch(made)
            try:
                one = plan(f"{gpu.name}:{count}")
            except UserError:
                if gpu is GPUS[0] and count == counts[0]:
                    raise  # the preset itself can't be planned
                continue
            used = int(one.gpu.get("count") or 1)
            if used != count:  # the plan leaves the others idle
                continue
            offers: list[Price | None] = [*prices.of(gpu.name)] or [None]
            found += [
                Choice(
                    gpu.name,
                    count,
                    one.fits,
                    one.resolved.method.technique,
                    one.memory.needs,
                    int(one.gpu.get("memory_available") or one.gpu["memory_total"]),
                    one.seconds / 3600 if one.fits and one.seconds is not None else None,
                    price,
                )
                for price in offers
            ]
    return sorted(found, key=lambda one: (not one.fits, one.cost, one.hours or float("inf"), one.count))


def shortlist(found: Sequence[Choice]) -> list[Choice]:
    """Of each GPU and provider the cheapest that fits, or, where no price is known, that with the fewest."""
    best: dict[tuple[str, str, bool], Choice] = {}
    for one in found:
        key = (one.gpu, one.price.provider if one.price else "", bool(one.price and one.price.spot))
        if one.fits and (key not in best or (one.usd is None and one.count < best[key].count)):
            best[key] = one
    return list(best.values())


def fastest(found: Sequence[Choice]) -> Choice | None:
    """The one with the fewest hours."""
    timed = [one for one in found if one.hours is not None]
    return min(timed, key=lambda one: (one.hours or 0.0, one.cost), default=None)
