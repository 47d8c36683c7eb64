"""Over how many cards, or processes, a run is spread: data-parallel copies, each with its share of a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.plan.device import BUSY
from tuiftune.plan.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset

WORTH = 1.1  # times as fast, at least, for more cards to be taken


@dataclass(frozen=True, slots=True)
class Spread:
    """So many copies, what each has of the device, and `hardware.gpus` to say so."""

    copies: int
    device: Device
    gpus: int | list[int]


def ways(preset: Preset, device: Device) -> tuple[Spread, ...]:
    """The one that the preset asks for, or every number of idle cards that can share a step, fewest first.

    UserError where cards and processes differ, or more are asked for than there are.
    """
    gpus, processes = preset.hardware.gpus, preset.hardware.processes
    if device.kind == "cpu":
        return (_on_processor(device, 1 if processes == "auto" else processes),)
    if gpus == "auto" and processes == "auto":
        return tuple(_on_cards(device, number) for number in _numbers(preset, device))
    count, place = (processes, "hardware.processes") if gpus == "auto" else (_number(gpus), "hardware.gpus")
    assert count != "auto"
    if processes not in ("auto", count):
        raise UserError(
            f"{processes} processes on {count} {'card' if count == 1 else 'cards'}: each has its own",
            place="hardware.processes",
            remedy="leave it at auto",
        )
    if count > device.count:
        have = "1 card" if device.count == 1 else f"{device.count} cards"
        raise UserError(
            f"{count} cards are asked for, {have} there",
            place=place,
            remedy=f"ask for at most {device.count}",
        )
    return (_on_cards(device, count, gpus if isinstance(gpus, list) else None),)


def reasons(preset: Preset, device: Device, chosen: Spread, gain: float | None) -> tuple[Reason, Reason]:
    """How many cards, and processes on them. `gain`: times as fast as one card, None where not compared."""
    hardware, copies = preset.hardware, chosen.copies
    why = f"each of {copies} trains a copy"
    if device.kind == "cpu":
        why = "there is none here: it trains on the processor"
    elif copies == 1:
        why = "one process" + (
            f"; more of the {device.count} cards would not be {WORTH:g} times as fast"
            if hardware.gpus == "auto" and device.count > 1
            else ""
        )
    elif gain is not None:
        why += f": {gain:.1f} times as fast as one, as predicted"
    if isinstance(chosen.gpus, list) and not isinstance(hardware.gpus, list):
        why += "; others hold memory of the cards left out"
    share = (
        f"each {preset.training.effective_batch // copies} of {preset.training.effective_batch} rows a step"
    )
    processes = "one process" if copies == 1 else f"data-parallel copies, {share}"
    return (
        Reason("hardware.gpus", chosen.gpus, why, _source(hardware.gpus)),
        Reason("hardware.processes", copies, processes, _source(hardware.processes)),
    )


def _source(asked: int | list[int] | str) -> str:
    return "prediction" if asked == "auto" else "preset"


def _number(gpus: int | list[int] | str) -> int:
    return len(gpus) if isinstance(gpus, list) else int(gpus)


def _numbers(preset: Preset, device: Device) -> Sequence[int]:
    """Powers of two, and all there are, that divide the effective batch. `NAME:COUNT`: that."""
    if device.source != "detected":
        return (device.count,)
    idle = sum(device.memory - free <= BUSY for _, free in device.free) or 1
    sizes = {idle, *(1 << power for power in range(idle.bit_length()))}
    return sorted(size for size in sizes if preset.training.effective_batch % size == 0)


def _on_processor(device: Device, copies: int) -> Spread:
    """Each process has its part of the processor and of its memory."""
    if copies == 1:
        return Spread(1, device, 1)
    part = replace(
        device,
        memory=device.memory // copies,
        capacity=device.capacity // copies,
        flops=device.flops / copies,
        bandwidth=device.bandwidth / copies,
    )
    return Spread(copies, part, 1)


def _on_cards(device: Device, count: int, asked: list[int] | None = None) -> Spread:
    """The fullest card decides what each may hold. Those in use come last, unless asked for."""
    if not device.free:
        return Spread(count, device, asked or count)
    there = dict(device.free)
    for index in asked or ():
        if index not in there:
            raise UserError(
                f"there is no card {index} like {device.name} here",
                place="hardware.gpus",
                remedy=f"one of {', '.join(map(str, sorted(there)))}",
            )
    by_use = sorted(there, key=lambda index: (device.memory - there[index] > BUSY, index))
    cards = asked or sorted(by_use[:count])
    free = min(there[index] for index in cards)
    first = list(there)[:count]
    return Spread(
        count,
        replace(device, capacity=min(device.limit, free)),
        asked or (count if cards == first else cards),
    )
