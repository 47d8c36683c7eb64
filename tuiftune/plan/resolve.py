"""The plan: a preset resolved on a machine. Quality decides the technique, then the fastest way that fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune.figures import size
from tuiftune.models import count
from tuiftune.plan import (
    alternatives,
    attention,
    cost,
    hyperparameters,
    limits,
    notes,
    origins,
    parallelism,
    search,
    shard,
)
from tuiftune.plan.device import device_of, near
from tuiftune.plan.model import Larger, Plan, Reason, Speed
from tuiftune.plan.padding import lengths_of
from tuiftune.plan.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.parallelism import Spread
    from tuiftune.plan.search import Candidate
    from tuiftune.preset.schema import Preset

FORMULA = "prediction"
YOURS = hyperparameters.YOURS
_DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
WORTH_TRYING = 1.03  # times as fast; less isn't worth a second preflight check


@dataclass(frozen=True, slots=True)
class Attempt:
    """One technique searched: what was found for it, and the values it goes with."""

    technique: str
    way: Spread
    dtype: Reason
    rank: Reason
    base: Settings
    found: tuple[Candidate, ...]
    best: Candidate | None
    steps: int | None  # that it was judged over


def make_plan(
    preset: Preset, machine: Machine, model: BaseModel, facts: DataFacts | None, *, gpu: str | None = None
) -> Plan:
    """Resolve every `auto` of a preset on a machine (or on the card that `gpu` names), with reasons.

    Where nothing fits, the plan is the smallest there is, `fits` False, and the alternatives say what would.
    Raises UserError for input no plan can be made for.
    """
    device = device_of(preset, machine, gpu)
    ways = parallelism.ways(preset, device)
    limits.check(preset, model, device, ways[0].copies)
    lengths = lengths_of(facts, preset.data.max_length)
    names, why_technique, technique_source = hyperparameters.techniques(preset, model.parameters, device)
    attempts: list[Attempt] = []
    for technique in names:
        tried = [attempt(preset, model, way, lengths, facts, technique) for way in ways]
        attempts.append(_fastest(tried))
        if attempts[-1].best is not None:
            break
    chosen = attempts[-1]
    others = [one for one in tried if one is not chosen and one.best is not None]
    device, copies = chosen.way.device, chosen.way.copies
    best = chosen.best or search.smallest(chosen.found)
    if len(attempts) > 1 and chosen.best is not None:
        need = search.smallest(attempts[0].found).memory.needs
        there = f"{size(device.capacity)} are there"
        why_technique = f"LoRA needs at least {size(need)}, {there}; 4-bit weights fit"
        technique_source = FORMULA
    amount = cost.amount(preset, lengths, best.settings.micro_batch, copies, best.settings.packing)
    every, why_every = cost.save_every(amount.steps, best.step_seconds)
    method = Reason("method.technique", chosen.technique, why_technique, technique_source)
    reasons = _reasons(
        preset,
        model,
        device,
        facts,
        lengths,
        chosen,
        best,
        method,
        copies,
        amount.steps,
        (every, why_every),
    )
    reasons += parallelism.reasons(preset, device, chosen.way, _gain(chosen, others))
    reasons = [origins.attributed(reason, preset) for reason in reasons]
    resolved = preset.with_values({reason.key: reason.value for reason in reasons})
    seconds = None if amount.steps is None else best.setup_seconds + amount.steps * best.step_seconds
    per_hour = preset.budget.usd_per_hour
    if per_hour is None and device.usd_per_hour is not None:
        per_hour = device.usd_per_hour * copies
    usd = seconds / 3600 * per_hour if seconds is not None and per_hour is not None else None
    sharded = shard.of(model, device, best, lengths, preset.training.effective_batch)
    return Plan(
        resolved=resolved,
        fits=best.fits,
        gpu={
            "name": device.name,
            "memory_total": device.memory,
            "memory_available": device.capacity,
            "count": copies,
            "source": device.source,
            "kind": device.kind,
            "correction": device.correction,
        },
        memory=best.memory,
        reasons=tuple(reasons),
        alternatives=alternatives.of(preset, model, device, lengths, attempts, others, best),
        speed=Speed(best.tokens_per_second, _speed_basis(device)),
        steps=amount.steps or 0,
        tokens=amount.tokens or 0,
        seconds=seconds,
        usd=usd,
        usd_per_hour=per_hour,
        near_limit=near(best.memory.needs, device.capacity),
        larger=larger_of(preset, chosen.found, best),
        sharded=sharded,
        notes=notes.of(
            preset,
            model,
            device,
            facts,
            lengths,
            amount,
            seconds,
            usd,
            chosen.technique,
            sharded,
            best.memory.needs,
        ),
    )


def _fastest(tried: Sequence[Attempt]) -> Attempt:
    """On the fewest cards that none is much faster than; the first where nothing fits."""
    fitting = [(one, one.best.seconds(one.steps)) for one in tried if one.best is not None]
    if not fitting:
        return tried[0]
    least = min(seconds for _, seconds in fitting)
    return next(one for one, seconds in fitting if seconds <= least * parallelism.WORTH)


def _gain(chosen: Attempt, others: Sequence[Attempt]) -> float | None:
    """Times as fast as on one card, where both fit."""
    one = next((other.best for other in others if other.way.copies == 1), None)
    if one is None or chosen.best is None:
        return None
    return chosen.best.tokens_per_second / one.tokens_per_second


def larger_of(preset: Preset, found: Sequence[Candidate], best: Candidate) -> Larger | None:
    """The next larger micro batch of the chosen way, where it is worth trying: faster, bound too large."""
    if preset.training.micro_batch != "auto" or not best.fits:
        return None
    more = [
        other
        for other in found
        if other.settings.micro_batch > best.settings.micro_batch
        and _lever(other.settings) == _lever(best.settings)
    ]
    if not more:
        return None
    other = min(more, key=lambda one: one.settings.micro_batch)
    if other.fits or other.tokens_per_second < WORTH_TRYING * best.tokens_per_second:
        return None
    return Larger(other.settings.micro_batch, other.memory.needs, other.tokens_per_second)


def _lever(settings: Settings) -> tuple[Any, ...]:
    return (
        settings.checkpointing,
        settings.kernels,
        settings.compile,
        settings.optimizer,
        settings.padding_free,
    )


def attempt(
    preset: Preset,
    model: BaseModel,
    way: Spread,
    lengths: Lengths,
    facts: DataFacts | None,
    technique: str,
) -> Attempt:
    """Search one technique on so many cards over every lever the preset leaves open."""
    device, copies = way.device, way.copies
    dtype = hyperparameters.precision(preset, technique, device)
    rank = hyperparameters.rank(preset, technique, facts)
    base = base_settings(preset, device, lengths, technique, dtype.value, rank.value, copies)
    kernel = attention.kernel(preset, model.architecture, device, base.compute_bytes)
    base = replace(base, attention=kernel)
    space = search.space_of(preset, model.architecture, base, device, lengths)
    effective = preset.training.effective_batch
    found = tuple(search.candidates(model.architecture, base, space, device, lengths, effective))
    steps = cost.amount(preset, lengths, 1, copies, base.packing).steps
    if steps is not None and preset.training.max_steps is not None:
        # A run cut short by hand tries out a longer one: it is judged, and set up, as that would be.
        steps = max(steps, search.TRIAL_STEPS)
    return Attempt(technique, way, dtype, rank, base, found, search.fastest(found, steps), steps)


def base_settings(
    preset: Preset,
    device: Device,
    lengths: Lengths,
    technique: str,
    dtype: str,
    rank: int,
    copies: int,
) -> Settings:
    """The settings before the search: the micro batch is 1, `length` the longest row that can come."""
    packing = preset.data.packing is True
    targets = preset.method.target_modules
    # All weights are trained in float32: 16 bits round most of an update away.
    weight_bytes = 4 if technique == "full" else _DTYPE_BYTES[dtype]
    return Settings(
        technique=technique,
        micro_batch=1,
        length=preset.data.max_length if packing else lengths.bound,
        rank=rank,
        targets=targets if isinstance(targets, str) else tuple(targets),
        dropout=preset.method.dropout,
        packing=packing,
        weight_bytes=weight_bytes,
        autocast=weight_bytes > _DTYPE_BYTES[dtype],
        saved=tuple(preset.method.modules_to_save) if technique != "full" else (),
        adapter_bytes=_DTYPE_BYTES[hyperparameters.adapter_dtype(preset, technique).value],
        device=device.kind,
        copies=copies,
    )


def _reasons(
    preset: Preset,
    model: BaseModel,
    device: Device,
    facts: DataFacts | None,
    lengths: Lengths,
    chosen: Attempt,
    best: Candidate,
    technique: Reason,
    copies: int,
    steps: int | None,
    every: tuple[int, str],
) -> list[Reason]:
    training, settings = preset.training, best.settings

    def lever(key: str, asked: Any, value: Any, why: str) -> Reason:
        return (
            Reason(key, value, why, FORMULA)
            if asked == "auto"
            else Reason(key, value, "you asked for it", YOURS)
        )

    missing = best.memory.needs - device.capacity
    kept = settings.checkpointing
    why_kept = "activations fit, and recomputing them would cost a forward pass more"
    if not best.fits:
        why_kept = "what needs the least memory here"
    elif kept is True:
        why_kept = "without it nothing fits"
    elif kept is not False:
        nth = "2nd" if kept == 2 else f"{kept}th"
        why_kept = f"every {nth} layer recomputes: the fewest that make it fit"
    batch = f"{settings.micro_batch} × {best.accumulation} accumulated" + (
        f" × {copies} processes" if copies > 1 else ""
    )
    why_rows = f"{batch} = {training.effective_batch} rows a step; the fastest split that fits"
    if not best.fits:
        why_rows = f"{batch} = {training.effective_batch} rows a step; still {size(missing)} too much"
    kernels = (
        "fused norms, rotary and MLP kernels" if settings.kernels == "liger" else _why_no_liger(model, device)
    )
    compiled = (
        "fuses each layer's small operations; worth its start-up here"
        if settings.compile
        else _why_no_compile(device)
    )
    reasons = [
        technique,
        chosen.dtype,
        hyperparameters.adapter_dtype(preset, chosen.technique),
        attention.reason(preset, model.architecture, settings),
        chosen.rank,
        hyperparameters.alpha(preset, chosen.rank.value),
        hyperparameters.learning_rate(preset, chosen.technique, chosen.rank.value, model.parameters),
        lever("training.micro_batch", training.micro_batch, settings.micro_batch, why_rows),
        lever("training.activation_checkpointing", training.activation_checkpointing, kept, why_kept),
        lever("training.kernels", training.kernels, settings.kernels, kernels),
        lever("training.compile", training.compile, settings.compile, compiled),
        lever("training.optimizer", training.optimizer, settings.optimizer, _why_optimizer(settings)),
        lever(
            "data.packing",
            preset.data.packing,
            settings.packing,
            "a step stays effective_batch rows; packed ones would be fewer and larger steps"
            if model.architecture.kind.apart
            else f"rows in one sequence would see one another in {model.architecture.kind.name}",
        ),
        attention.padding_reason(preset, settings, lengths),
        hyperparameters.divergence_patience(preset, steps),
        hyperparameters.score(preset, facts),
        hyperparameters.max_new_tokens(preset, facts),
        lever(
            "run.save_every",
            preset.run.save_every,
            every[0] if preset.run.save_every == "auto" else preset.run.save_every,
            every[1],
        ),
    ]
    form = hyperparameters.data_format(preset, facts)
    return reasons if form is None else [*reasons, form]


def _why_optimizer(settings: Settings) -> str:
    if settings.optimizer == "adamw_torch_fused":
        return (
            "AdamW in one kernel; its states are small here"
            if settings.adapted
            else "AdamW in one kernel; its states fit"
        )
    if settings.optimizer.startswith("paged"):
        return "8-bit states that may leave the card under pressure: the smaller ones do not fit"
    return "32-bit states do not fit; 8-bit ones do"


def _why_no_liger(model: BaseModel, device: Device) -> str:
    if device.kind == "cpu":
        return "Liger's kernels run on cards only"
    if not search.liger_installed():
        return "the package liger_kernel is not installed"
    if model.architecture.family not in search.LIGER_FAMILIES:
        return f"Liger has no kernels for {model.architecture.family}"
    return "not faster here than what was chosen"


def _why_no_compile(device: Device) -> str:
    return (
        "no gain on a processor"
        if device.kind == "cpu"
        else "would not pay for its start-up, or does not reach this model"
    )


def _speed_basis(device: Device) -> str:
    if device.kind == "cpu":
        return "predicted from the number of cores: rough; measured after 20 steps"
    return "predicted from an H200's measurements, scaled by this card's data sheet; measured after 20 steps"


def trainable_parameters(plan: Plan, model: BaseModel) -> int:
    """Parameters that this plan trains."""
    method = plan.resolved.method
    if method.technique == "full":
        return model.parameters
    return count.adapter_parameters(
        model.architecture, int(method.rank), method.target_modules, method.technique == "dora"
    )
