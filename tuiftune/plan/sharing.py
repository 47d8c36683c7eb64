"""One model over all GPUs of a run (FSDP2, ZeRO-2): which plans can be made with it, and which fits."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.plan import parallelism, search, shard
from tuiftune.plan.attempt import attempt, fastest
from tuiftune.plan.model import Sharded
from tuiftune.techniques.base import FP8

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.attempt import Attempt
    from tuiftune.plan.device import Device
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.parallelism import Spread
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

DEEPSPEED = "deepspeed"  # what is imported
OPTIMIZERS = ("adamw_torch_fused", "adamw_torch")  # that update sharded parameters


def check(
    preset: Preset, model: BaseModel, technique: Technique, stage: Stage, device: Device, parallel: str
) -> None:
    """UserError where a run cannot share one model over its processes, or DeepSpeed is not installed here."""
    if parallel == parallelism.ZERO:
        _check_zero(technique, device)
    if why := refusal(preset, model, technique, stage, device):
        said, place, remedy = why
        raise UserError(f"{said} ({parallel})", place=place, remedy=remedy)


def has_deepspeed() -> bool:
    """Return True if what ZeRO-2 needs is installed here."""
    return importlib.util.find_spec(DEEPSPEED) is not None


def _check_zero(technique: Technique, device: Device) -> None:
    if technique.adapters:
        raise UserError(
            f"{parallelism.ZERO} trains all weights; {technique.name} has few gradients to divide",
            place="hardware.parallel",
            remedy=f"use {parallelism.DDP} or {parallelism.FSDP}, or set method.technique: full",
        )
    here = device.kind == "cpu" or device.source == "detected"
    if here and not has_deepspeed():
        raise UserError(
            f"{parallelism.ZERO} needs DeepSpeed, which is not installed",
            place="hardware.parallel",
            remedy=f"pip install 'tuiftune[deepspeed]', or use {parallelism.FSDP}",
        )


def refusal(
    preset: Preset, model: BaseModel, technique: Technique, stage: Stage, device: Device
) -> tuple[str, str, str] | None:
    """Why one model cannot be shared (what, the key, the fix); None where it can."""
    training, arch, place = preset.training, model.architecture, "hardware.parallel"
    copies = f"{place}: {parallelism.DDP}"
    if not stage.shares:
        return f"{stage.does} cannot train a sharded model", place, f"use {parallelism.DDP}"
    if not technique.shares or technique.base == FP8:
        name = f"{technique.name} over FP8" if technique.base == FP8 else technique.name
        return f"{name} cannot train a sharded model", place, f"use {parallelism.DDP}, or LoRA"
    lost = arch.kind.zeroes_padding and not technique.adapters  # the hook that keeps the padding's row
    if model.quantization is not None or arch.num_experts or lost:
        return f"{model.reference} cannot be sharded", place, f"use {parallelism.DDP}"
    if training.optimizer not in ("auto", *OPTIMIZERS):
        said = f"{training.optimizer} cannot update a sharded model"
        return said, "training.optimizer", f"use {OPTIMIZERS[0]}, or {copies}"
    half = preset.model.dtype == "auto" and technique.adapters and device.kind == "cuda" and not device.bf16
    if half or preset.model.dtype == "float16":
        said = "float16 cannot train a sharded model"
        return said, "model.dtype", f"use bfloat16 or float32, or {copies}"
    if training.activation_offloading is True:
        said = "activations are offloaded only where each process has a whole copy of the model"
        return said, "training.activation_offloading", f"set it to false, or {copies}"
    if training.fp8_compute is True:
        said = "products of a 4-bit base run in FP8 only where each process has a whole copy of the model"
        return said, "training.fp8_compute", f"use auto, or {copies}"
    if training.compile is True:
        return "a sharded model is not compiled", "training.compile", f"set it to false, or {copies}"
    if technique.adapters and preset.method.modules_to_save:
        said = "modules trained in full with adapters cannot be sharded"
        return said, "method.modules_to_save", f"remove them, or {copies}"
    return None


def shared(
    preset: Preset,
    model: BaseModel,
    machine: Machine,
    ways: tuple[Spread, ...],
    names: tuple[Technique, ...],
    lengths: Lengths,
    facts: DataFacts | None,
) -> Attempt | None:
    """The first technique that fits where the GPUs share one model; with shards in RAM only if none does."""
    stage = stages.every()[preset.method.stage]
    for parallel in parallelism.SHARDED:
        found = parallelism.shared(ways, parallel)
        if parallel == parallelism.OFFLOADED and ways[0].device.kind == "cpu":
            return None
        for technique in names:
            if refusal(preset, model, technique, stage, ways[0].device) is not None:
                continue
            tried = [attempt(preset, model, way, lengths, facts, technique) for way in found]
            fitting = [one for one in tried if one.best is not None and _in_ram(one, model, machine)]
            if fitting:
                return fastest(fitting)
    return None


def _in_ram(tried: Attempt, model: BaseModel, machine: Machine) -> bool:
    """Whether the RAM holds what a plan keeps there; on a machine that isn't here, nobody knows."""
    if tried.way.device.source != "detected" or tried.best is None:
        return True
    return shard.in_ram(model.architecture, tried.best.settings) <= machine.host.memory_available


def as_sharded(
    preset: Preset,
    model: BaseModel,
    chosen: Attempt,
    ways: tuple[Spread, ...],
    lengths: Lengths,
    facts: DataFacts | None,
) -> Sharded | None:
    """Full fine-tuning with one model that all GPUs share, where that is not the plan itself."""
    stage = stages.every()[preset.method.stage]
    most = parallelism.shared(ways[-1:], parallelism.FSDP)
    if chosen.way.sharded or chosen.technique.adapters or not most or most[0].device.kind != "cuda":
        return None
    if refusal(preset, model, chosen.technique, stage, chosen.way.device) is not None:
        return None
    tried = attempt(preset, model, most[0], lengths, facts, chosen.technique)
    best = tried.best or search.smallest(tried.found)
    return Sharded(most[0].copies, best.fits, best.memory, best.tokens_per_second)
