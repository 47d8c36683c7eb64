"""The plan: a preset resolved on a machine. Quality decides the technique, then the fastest way that fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import stages, techniques
from tuiftune.figures import size
from tuiftune.models import count
from tuiftune.plan import (
    alternatives,
    attention,
    cost,
    hyperparameters,
    limits,
    notes,
    offloading,
    parallelism,
    search,
    shard,
    sharing,
    teacher,
)
from tuiftune.plan.attempt import attempt, fastest, gain, larger_of, options_of
from tuiftune.plan.device import device_of, near
from tuiftune.plan.model import Plan, Reason, Speed
from tuiftune.plan.padding import as_trained, lengths_of, window
from tuiftune.preset import schema
from tuiftune.techniques.base import FP8

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.attempt import Attempt
    from tuiftune.plan.device import Device
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.rates import UsualRate
    from tuiftune.plan.search import Candidate
    from tuiftune.plan.settings import Settings
    from tuiftune.preset.schema import Preset

FORMULA = "prediction"
YOURS = hyperparameters.YOURS
ADVICE = "recommended"


def make_plan(
    preset: Preset,
    machine: Machine,
    model: BaseModel,
    facts: DataFacts | None,
    *,
    gpu: str | None = None,
    weighed: bool = True,
) -> Plan:
    """Resolve every `auto` of a preset on a machine (or on the GPU that `gpu` names), with reasons.

    Where nothing fits, the plan is the smallest there is, `fits` False, and the alternatives say what would.
    Raises UserError for input no plan can be made for, and for faulty weights, unless they aren't `weighed`.
    """
    device = device_of(preset, machine, gpu)
    ways = parallelism.ways(preset, device)
    names, why_technique, technique_source = hyperparameters.to_try(preset, model.parameters, device)
    if weighed:
        limits.check_weights(model)
    limits.check(preset, model, device, ways[0].copies, names[0], facts)
    stage = stages.every()[preset.method.stage]
    if ways[0].sharded or ways[0].parallel == parallelism.ZERO:
        names = (
            tuple(one for one in names if sharing.refusal(preset, model, one, stage, device) is None) or names
        )
        sharing.check(preset, model, names[0], stage, device, ways[0].parallel)
    facts = as_trained(facts, preset)
    lengths = lengths_of(facts, window(preset))
    if model.quantization is not None:  # what is quantized already isn't quantized again
        names = tuple(one for one in names if not one.quantized) or names
    attempts: list[Attempt] = []
    for technique in names:
        tried = [attempt(preset, model, way, lengths, facts, technique) for way in ways]
        attempts.append(fastest(tried))
        if attempts[-1].best is not None:
            break
    shared, missing = None, ""
    if attempts[-1].best is None and preset.hardware.parallel == "auto":
        shared = sharing.shared(preset, model, machine, ways, names, lengths, facts)
    if shared is not None:
        there = f"{size(device.capacity)} available"
        least = size(search.smallest(attempts[0].found).memory.needs)
        missing = f"a copy per GPU needs at least {least}, {there}"
        attempts, tried = [shared], [shared]
    chosen = attempts[-1]
    others = [one for one in tried if one is not chosen and one.best is not None]
    device, copies = chosen.way.device, chosen.way.copies
    best = chosen.best or search.smallest(chosen.found)
    if len(attempts) > 1 and chosen.best is not None:
        need = search.smallest(attempts[0].found).memory.needs
        there = f"{size(device.capacity)} available"
        weights = "FP8 weights" if chosen.technique.base == FP8 else "4-bit weights"
        why_technique = f"{names[0].name} needs at least {size(need)}, {there}; {weights} fit"
        technique_source = FORMULA
    amount = cost.amount(preset, lengths, best.settings.micro_batch, copies, best.settings.packing)
    saving = cost.save_seconds(model.architecture, best.settings)
    every, why_every = cost.save_every(amount.steps, best.step_seconds, saving)
    usual = hyperparameters.usual_rate(preset, chosen.technique, model, amount.steps)
    method = Reason("method.technique", chosen.technique.key, why_technique, technique_source)
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
        usual,
    )
    reasons += parallelism.reasons(preset, device, chosen.way, gain(chosen, others), missing)
    reasons = [_attributed(reason, preset) for reason in reasons]
    resolved = preset.with_values({reason.key: reason.value for reason in reasons})
    seconds = None if amount.steps is None else best.setup_seconds + amount.steps * best.step_seconds
    per_hour = preset.budget.usd_per_hour
    if per_hour is None and device.usd_per_hour is not None:
        per_hour = device.usd_per_hour * copies
    usd = seconds / 3600 * per_hour if seconds is not None and per_hour is not None else None
    sharded = sharing.as_sharded(preset, model, chosen, ways, lengths, facts)
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
        alternatives=alternatives.of(preset, model, device, lengths, facts, attempts, others, best),
        speed=Speed(best.tokens_per_second, _speed_basis(device)),
        steps=amount.steps or 0,
        tokens=amount.tokens or 0,
        seconds=seconds,
        usd=usd,
        usd_per_hour=per_hour,
        near_limit=near(best.memory.needs, device.capacity),
        larger=larger_of(preset, chosen.found, best),
        sharded=sharded,
        usual_rate=usual,
        notes=(
            *notes.long_rows(best, device, copies),
            *notes.long_evaluations(resolved, facts, amount.steps, seconds, best.tokens_per_second),
            *notes.of(
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
                usual,
                chosen.way.parallel,
                shard.in_ram(model.architecture, best.settings) if chosen.way.sharded else 0,
            ),
        ),
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
    usual: UsualRate,
) -> list[Reason]:
    training, settings = preset.training, best.settings

    def lever(key: str, asked: Any, value: Any, why: str) -> Reason:
        return (
            Reason(key, value, why, FORMULA)
            if asked == "auto"
            else Reason(key, value, "set in the preset", YOURS)
        )

    missing = best.memory.needs - device.capacity
    kept = settings.checkpointing
    why_kept = "activations fit, and recomputing them would cost another forward pass"
    if not best.fits:
        why_kept = "the least memory possible here"
    elif kept is not False and training.activation_offloading is True:
        why_kept = "activation offloading moves what it stores to RAM"
    elif kept is True and any(one.fits and one.settings.checkpointing is not True for one in chosen.found):
        why_kept = "it leaves memory for more rows at once, which is faster"
    elif kept is True:
        why_kept = "nothing fits without it"
    elif kept is not False:
        nth = "2nd" if kept == 2 else f"{kept}th"
        why_kept = f"activation checkpointing on every {nth} layer: the least that fits"
    batch = f"{settings.micro_batch} × {best.accumulation} accumulation steps" + (
        f" × {copies} processes" if copies > 1 else ""
    )
    why_rows = f"{batch} = {training.effective_batch} rows per step: the fastest combination that fits"
    if not best.fits:
        why_rows = f"{batch} = {training.effective_batch} rows per step: {size(missing)} do not fit"
    kernels = (
        "fused norms, rotary and MLP kernels"
        if settings.kernels == "liger"
        else _why_no_liger(model, settings)
    )
    compiled = (
        "fuses small operations of each layer; saves more time than it takes to compile"
        if settings.compile
        else _why_no_compile(settings)
    )
    in_fp8 = (
        "products of the 4-bit base in FP8: faster, and rounds less than the 4 bits do"
        if settings.fp8_compute
        else _why_no_fp8_compute(preset, model, device, settings)
    )
    saved = every[0] if preset.run.save_every == "auto" else preset.run.save_every
    evaluated, why_evaluated = cost.evaluate_every(saved, steps)
    if preset.evaluation.every != "auto":
        evaluated = preset.evaluation.every
    reasons = [
        technique,
        hyperparameters.quantization(preset, chosen.technique),
        chosen.dtype,
        hyperparameters.adapter_dtype(preset, chosen.technique),
        attention.reason(preset, model.architecture, settings),
        chosen.rank,
        hyperparameters.alpha(preset, chosen.technique, chosen.rank.value),
        hyperparameters.learning_rate(preset, usual),
        lever("training.micro_batch", training.micro_batch, settings.micro_batch, why_rows),
        lever("training.activation_checkpointing", training.activation_checkpointing, kept, why_kept),
        lever(
            "training.activation_offloading",
            training.activation_offloading,
            settings.activation_offloading,
            _why_offloading(model, best),
        ),
        lever("training.kernels", training.kernels, settings.kernels, kernels),
        lever("training.compile", training.compile, settings.compile, compiled),
        lever("training.fp8_compute", training.fp8_compute, settings.fp8_compute, in_fp8),
        lever("training.optimizer", training.optimizer, settings.optimizer, _why_optimizer(settings)),
        hyperparameters.packing(preset, model.architecture),
        attention.padding_reason(preset, settings, lengths),
        *hyperparameters.of_stage(preset, adapted=settings.adapted),
        *teacher.reason(preset),
        hyperparameters.divergence_patience(preset, steps),
        hyperparameters.score(preset, facts),
        hyperparameters.max_new_tokens(preset, facts),
        lever("run.save_every", preset.run.save_every, saved, every[1]),
        lever("evaluation.every", preset.evaluation.every, evaluated, why_evaluated),
    ]
    form = hyperparameters.data_format(preset, facts)
    return reasons if form is None else [*reasons, form]


def _why_offloading(model: BaseModel, best: Candidate) -> str:
    settings = best.settings
    if settings.activation_offloading:
        inputs = offloading.in_ram(model.architecture, settings)
        gain = "the fastest that fits" if best.fits else "the least GPU memory possible here"
        return f"layer inputs are in RAM ({size(inputs)}) until the backward pass: {gain}"
    if settings.device == "cpu":
        return "no gain on a CPU"
    if untested := _untested(settings):
        return untested
    if settings.checkpointing is not True:
        return "only with activation checkpointing in all layers"
    return "not faster here, or too little free RAM"


def _untested(settings: Settings) -> str:
    """Why a lever isn't used where processes share a model or its states; "" where they don't."""
    if settings.shards > 1:
        return "not tested with a sharded model"
    return "not tested with ZeRO-2" if settings.divided > 1 else ""


def _why_optimizer(settings: Settings) -> str:
    if settings.optimizer == "adamw_torch_fused":
        return (
            "AdamW in one fused kernel; its states are small here"
            if settings.adapted
            else "AdamW in one fused kernel; its states fit"
        )
    if settings.optimizer.startswith("paged"):
        return "8-bit states that can move to RAM when GPU memory is short: others do not fit"
    return "32-bit states do not fit; 8-bit ones do"


def _why_no_liger(model: BaseModel, settings: Settings) -> str:
    if settings.device == "cpu":
        return "Liger kernels need a GPU"
    if untested := _untested(settings):
        return untested
    if not search.liger_installed():
        return "the package liger_kernel is not installed"
    if model.architecture.family not in search.LIGER_FAMILIES:
        return f"Liger does not support {model.architecture.family}"
    return "not faster here"


def _why_no_compile(settings: Settings) -> str:
    if settings.device == "cpu":
        return "no gain on a CPU"
    if untested := _untested(settings):
        return untested
    return "compile time would exceed the time saved, or this model is not supported"


def _why_no_fp8_compute(preset: Preset, model: BaseModel, device: Device, settings: Settings) -> str:
    if not settings.four_bit:
        return "for 4-bit base models"
    if not device.fp8:
        return "this GPU does not support FP8"
    if not search.computes_in_fp8(preset, model.architecture, settings):
        return "not for this stage, for layers of these sizes, or for a model that GPUs share"
    return "not faster here"


def _speed_basis(device: Device) -> str:
    if device.kind == "cpu":
        return "predicted from the number of CPU cores (rough); measured after 20 steps"
    return "predicted from an H200's measurements, scaled by this GPU's data sheet; measured after 20 steps"


def trainable_parameters(plan: Plan, model: BaseModel) -> int:
    """Parameters that this plan trains."""
    method = plan.resolved.method
    technique = techniques.find(method.technique)
    if not technique.adapters:
        return model.parameters
    if technique.counts is not None:
        return count.trained_by(model.architecture, technique, dict(options_of(plan.resolved, technique)))
    return count.adapter_parameters(
        model.architecture, int(method.rank), method.target_modules, technique.magnitudes
    )


def _attributed(reason: Reason, preset: Preset) -> Reason:
    """The reason, with the word "set in the preset" only where the user did, and for the value they gave."""
    if reason.source != YOURS:
        return reason
    origin = preset.origin(reason.key)
    section, _, name = reason.key.partition(".")
    if origin != schema.DEFAULT and getattr(getattr(preset, section), name) != reason.value:
        return replace(reason, source="prediction")
    if origin == schema.YOURS:
        return reason
    if origin == schema.DEFAULT:
        return Reason(reason.key, reason.value, "default", "tuiftune default")
    if origin == ADVICE:
        return Reason(reason.key, reason.value, "recommended for your answers and data", "tuiftune advice")
    return Reason(reason.key, reason.value, f"from the {origin}", origin)
