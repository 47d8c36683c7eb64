"""Alternatives to a plan, with their memory and speed; if nothing fits, what would."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tuiftune import stages, techniques
from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.models import count
from tuiftune.plan import attention, hyperparameters, limits, offloading, search
from tuiftune.plan.attempt import Attempt, attempt
from tuiftune.plan.model import Alternative
from tuiftune.techniques.base import FP8, NF4, NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.parallelism import Spread
    from tuiftune.plan.search import Candidate
    from tuiftune.plan.settings import Settings
    from tuiftune.preset.schema import Preset
    from tuiftune.techniques.base import Technique

MOST = 10
_WORDS: dict[str, dict[Any, str]] = {
    "training.activation_checkpointing": {
        True: "activation checkpointing on",
        False: "activation checkpointing off",
    },
    "training.activation_offloading": {
        True: "activation offloading on",
        False: "activation offloading off",
    },
    "training.kernels": {"liger": "Liger kernels", "none": "no Liger kernels"},
    "training.compile": {True: "compile each layer", False: "no compilation"},
    "training.fp8_compute": {True: "4-bit base in FP8 products", False: "16-bit products"},
    "method.target_modules": {"attention": "adapters on attention only"},
    "model.quantization": {FP8: "FP8 base", NONE: "16-bit base"},
    "data.padding_free": {True: "padding-free", False: "padded to the longest row"},
    "data.packing": {True: "packing", False: "no packing"},
}


def of(
    preset: Preset,
    model: BaseModel,
    device: Device,
    lengths: Lengths,
    facts: DataFacts | None,
    attempts: Sequence[Attempt],
    others: Sequence[Attempt],
    best: Candidate,
) -> tuple[Alternative, ...]:
    """The neighbors of the chosen plan, one lever at a time, and other techniques and bases with levers of
    their own; fitting ones first, then by speed.

    `others`: the chosen technique on other numbers of GPUs.
    """
    effective = preset.training.effective_batch
    chosen = best.settings
    variants: list[tuple[dict[str, Any], Candidate]] = []

    def vary(changes: dict[str, Any], **values: Any) -> None:
        settings = replace(chosen, **values)
        judged = search.judge(model.architecture, settings, device, lengths, effective)
        if judged.settings != chosen and all(judged.settings != other.settings for _, other in variants):
            variants.append((changes, judged))

    least = stages.every()[preset.method.stage].least
    sizes = [one for one in search.divisors(effective // chosen.copies) if one >= least]
    for value in (False, True, 2):
        changes: dict[str, Any] = {"training.activation_checkpointing": value}
        moved = chosen.activation_offloading and value is True
        if chosen.activation_offloading and not moved:
            changes["training.activation_offloading"] = False
        vary(changes, checkpointing=value, activation_offloading=moved)
        if not variants or variants[-1][0] != changes or variants[-1][1].fits:
            continue
        fewer = [one for one in sizes if one < chosen.micro_batch]
        for rows in reversed(fewer):  # fewer rows at once may fit
            other = replace(chosen, checkpointing=value, activation_offloading=moved, micro_batch=rows)
            if search.judge(model.architecture, other, device, lengths, effective).fits:
                changes = {**changes, "training.micro_batch": rows}
                vary(changes, checkpointing=value, activation_offloading=moved, micro_batch=rows)
                break
    place = sizes.index(chosen.micro_batch) if chosen.micro_batch in sizes else 0
    for rows in (*sizes[max(0, place - 1) : place], *sizes[place + 1 : place + 2]):
        vary({"training.micro_batch": rows}, micro_batch=rows)
    copies = chosen.shards == chosen.divided == 1
    if device.kind == "cuda" and not model.architecture.num_experts and chosen.traits.compiles and copies:
        turned, in_fp8 = not chosen.compile, chosen.fp8_compute
        if preset.training.fp8_compute == techniques.AUTO:  # as it would be left off then
            in_fp8 = in_fp8 and turned
        vary({"training.compile": turned}, compile=turned, fp8_compute=in_fp8)
    if chosen.fp8_compute or (
        device.fp8 and chosen.compile and search.computes_in_fp8(preset, model.architecture, chosen)
    ):
        vary({"training.fp8_compute": not chosen.fp8_compute}, fp8_compute=not chosen.fp8_compute)
    moved = not chosen.activation_offloading
    other = replace(chosen, activation_offloading=moved)
    room = not moved or (copies and offloading.has_room(model.architecture, other, device))
    if device.kind == "cuda" and chosen.checkpointing is True and room:
        vary({"training.activation_offloading": moved}, activation_offloading=moved)
    own = next((one for one in attempts if one.best is best), attempts[-1])
    others_by = [
        one
        for one in techniques.every().values()
        if one.compared and one.key != own.technique.key and (copies or one.shares)
    ]
    if chosen.divided > 1:
        others_by = []
    asked = preset.model.quantization != techniques.AUTO  # another technique may want another one
    # What is for a 4-bit base alone would be refused over another one.
    freed = {"training.fp8_compute": techniques.AUTO} if preset.training.fp8_compute is True else {}

    def planned(changes: dict[str, Any]) -> None:
        other = _planned(preset, model, own.way, lengths, facts, changes)
        if other is not None and other.settings != chosen:
            variants.append((changes, other))

    def by(technique: Technique) -> None:
        changes = {"method.technique": technique.key}
        planned(
            changes
            | ({"model.quantization": techniques.AUTO} if asked else {})
            | ({} if technique.base == NF4 else freed)
        )

    if device.kind == "cuda" and not model.quantization and copies:
        for changes in _bases(chosen, device):
            planned(changes | freed)
    if device.kind == "cuda":
        for one in others_by:
            if one.quantized:
                by(one)
    plain_experts = count.adapts_experts(model.architecture, chosen.targets)
    if plain_experts and chosen.adapted and count.has_attention(model.architecture):
        vary({"method.target_modules": "attention"}, targets="attention")
    for one in sorted(others_by, key=lambda one: not one.adapters):
        if not one.quantized and (one.experts or not plain_experts):
            by(one)
    joined, stage = attempts[-1].base.attention, stages.every()[preset.method.stage]
    if (
        stage.joins
        and joined in attention.APART
        and not chosen.packing
        and chosen.micro_batch > 1
        and lengths.differ
    ):
        turned = not chosen.padding_free
        vary({"data.padding_free": turned}, padding_free=turned, attention=joined)
    joinable = stage.joins and not chosen.packing and not chosen.padding_free
    if joinable and lengths.mean < 0.8 * lengths.padded(chosen.micro_batch):
        length = preset.data.max_length
        vary({"data.packing": True}, packing=True, padding_free=False, length=length, attention=joined)
    ways = [({"hardware.gpus": one.way.gpus}, one.best) for one in others if one.best is not None]
    if not best.fits:
        variants = [(changes, other) for changes, other in variants if other.fits]
        variants += _shorter(preset, model, device, lengths, best)
    variants.sort(key=_order)
    listed = [
        Alternative(
            changes, _says(changes, other, best), other.fits, other.memory.needs, other.tokens_per_second
        )
        for changes, other in sorted([*variants[: MOST - len(ways)], *ways], key=_order)
    ]
    return tuple(listed) if best.fits else (*listed, *_elsewhere(model, device, best))


def _order(variant: tuple[dict[str, Any], Candidate]) -> tuple[bool, float]:
    """Fitting ones first, then by speed."""
    return not variant[1].fits, -variant[1].tokens_per_second


def _planned(
    preset: Preset,
    model: BaseModel,
    way: Spread,
    lengths: Lengths,
    facts: DataFacts | None,
    changes: dict[str, Any],
) -> Candidate | None:
    """The plan with another technique or base, which ask for other levers; None where it would be refused."""
    device, made = way.device, list[Attempt]()
    try:
        changed = preset.with_values(changes)
        names, _, _ = hyperparameters.to_try(changed, model.parameters, device)
        limits.check(changed, model, device, way.copies, names[0], facts)
        for technique in names:
            made.append(attempt(changed, model, way, lengths, facts, technique))
            if made[-1].best is not None:
                break
    except (UserError, ValidationError):
        return None
    return made[-1].best or search.smallest(made[-1].found)


def _bases(chosen: Settings, device: Device) -> list[dict[str, Any]]:
    """The same adapters over a base model in 16 bit, or in FP8 where the GPU has it."""
    if chosen.fp8:
        return [{"model.quantization": NONE}]
    plain = chosen.traits.unquantized or chosen.technique
    if not device.fp8 or FP8 not in techniques.find(plain).bases:
        return []
    held = {"model.quantization": FP8}
    return [held if plain == chosen.technique else {"method.technique": plain, **held}]


def _shorter(
    preset: Preset, model: BaseModel, device: Device, lengths: Lengths, best: Candidate
) -> list[tuple[dict[str, Any], Candidate]]:
    """The longest halving of max_length that fits, if any does."""
    length = best.settings.length // 2
    while length >= 128:
        settings = replace(best.settings, length=length)
        found = search.judge(model.architecture, settings, device, lengths, preset.training.effective_batch)
        if found.fits:
            return [({"data.max_length": length}, found)]
        length //= 2
    return []


def _elsewhere(model: BaseModel, device: Device, best: Candidate) -> list[Alternative]:
    """A smaller model of the catalog, and the smallest GPU, that the same settings would fit."""
    from tuiftune.hardware import known_gpus
    from tuiftune.models import catalogue
    from tuiftune.plan import memory

    found: list[Alternative] = []
    smaller = sorted(
        (entry for entry in catalogue.entries() if entry.parameters < model.parameters),
        key=lambda entry: -entry.parameters,
    )
    for entry in smaller:
        needs = memory.estimate(entry.architecture, best.settings).needs
        if needs <= device.capacity:
            says = f"a smaller model, {entry.id}: needs {size(needs)}"
            found.append(Alternative({"model.base": entry.id}, says, True, needs, None))
            break
    needs = best.memory.needs
    bigger = sorted(
        (gpu for gpu in known_gpus.GPUS if gpu.usable_bytes >= needs), key=lambda gpu: gpu.usable_bytes
    )
    if bigger and device.kind == "cuda":
        gpu = bigger[0]
        there = f"{size(gpu.usable_bytes)} for the {size(needs)} needed"
        says = f"a GPU with more memory, {gpu.name}: {there}"
        found.append(Alternative({"--gpu": gpu.name}, says, True, needs, None))
    return found


def _says(changes: dict[str, Any], other: Candidate, best: Candidate) -> str:
    """ "checkpointing off: +34.0 GiB, 1.40× faster"."""
    implied = "method.technique" in changes and changes.get("model.quantization") != FP8
    words = [
        _name(key, value)
        for key, value in changes.items()
        if not (implied and key == "model.quantization")
        and (key, value) != ("training.fp8_compute", techniques.AUTO)
    ]
    pace = other.tokens_per_second / best.tokens_per_second
    speed = "same speed"
    if pace >= 1.02:
        speed = f"{pace:.2f}× faster"
    elif pace <= 0.98:
        speed = f"{1 / pace:.2f}× slower"
    return f"{', '.join(words)}: {_difference(other.memory.needs - best.memory.needs)}, {speed}" + (
        "" if other.fits else ", does not fit"
    )


def _difference(more: int) -> str:
    """ "+3.4 GiB", "-120 MiB", "same memory"."""
    if abs(more) < 1 << 20:
        return "same memory"
    return f"{'+' if more > 0 else '-'}{size(abs(more))}"


def _name(key: str, value: Any) -> str:
    known = _WORDS.get(key, {})
    if isinstance(value, bool | str) and value in known:
        return known[value]
    if key == "training.activation_checkpointing":
        return (
            f"activation checkpointing on every {value}nd layer"
            if value == 2
            else f"activation checkpointing on every {value}th layer"
        )
    if key == "training.micro_batch":
        return f"micro-batch size {value}"
    if key == "hardware.gpus":
        count = len(value) if isinstance(value, list) else value
        return "1 GPU" if count == 1 else f"{count} GPUs (data parallel: one full copy per GPU)"
    if key == "data.max_length":
        return f"max length {value:,} tokens"
    if key == "method.technique":
        return techniques.every()[value].name
    return f"{key} {value}"
