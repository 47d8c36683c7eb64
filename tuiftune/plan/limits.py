"""What no plan can be made for: said in one line each, before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import rewards, stages, techniques
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.models import count, prequantized, weights
from tuiftune.models.kinds import version
from tuiftune.plan import attention, optimizers, static, teacher
from tuiftune.plan.attempt import options_of
from tuiftune.printable import printable
from tuiftune.techniques.base import FP8, NF4

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset
    from tuiftune.techniques.base import Technique


def check_weights(model: BaseModel) -> None:
    """UserError for weights that aren't there, or aren't the model's."""
    weights.require(model)
    weights.check(model)


def check(
    preset: Preset,
    model: BaseModel,
    device: Device,
    copies: int,
    technique: Technique,
    facts: DataFacts | None = None,
) -> None:
    """UserError for a length, rank, batch, target or technique that the model or device cannot have.
    `technique`: the first that the plan will try.
    """
    arch = model.architecture
    prequantized.check(
        model,
        adapters=technique.adapters,
        to=technique.base,
        here=device.source == "detected",
    )
    if arch.max_length and preset.data.max_length > arch.max_length:
        raise UserError(
            f"{preset.data.max_length:,} tokens are more than {model.reference} supports "
            f"({arch.max_length:,})",
            place="data.max_length",
            remedy=f"use at most {arch.max_length}",
        )
    optimizers.check(preset.training.optimizer, here=device.source == "detected")
    stage = stages.every()[preset.method.stage]
    stage.check_method(preset.method, adapted=technique.adapters)
    teacher.check(preset, model)
    if stage.rollouts and preset.training.effective_batch % preset.method.generations:
        raise UserError(
            f"{preset.training.effective_batch} answers a step are not a multiple of the "
            f"{preset.method.generations} answers to each prompt",
            place="training.effective_batch",
            remedy=f"a multiple of method.generations, such as {8 * preset.method.generations}",
        )
    if stage.scores and not arch.kind.scores:
        raise UserError(
            f"transformers has no model of type {printable(arch.kind.name)} that scores answers, as "
            f"{stage.does} needs",
            place=model.reference,
            remedy="use a base model of another family, such as Llama, Qwen3 or Gemma 3",
        )
    if stage.rollouts and facts is not None:
        if not facts.answered:
            rewards.check_references(preset.method.rewards, [""])
        prompts = preset.training.effective_batch // preset.method.generations
        if facts.rows < prompts:
            raise UserError(
                f"{plural(facts.rows, 'prompt')} to train on, and a step takes {prompts}",
                place="training.effective_batch",
                remedy=f"{facts.rows * preset.method.generations} at most, or give more rows",
            )
    if stage.writes and arch.max_length and preset.method.max_completion_length >= arch.max_length:
        raise UserError(
            f"{model.reference} reads {arch.max_length:,} tokens, prompt included: an answer of "
            f"{preset.method.max_completion_length:,} has no place",
            place="method.max_completion_length",
            remedy=f"below {arch.max_length:,}, less the longest prompt",
        )
    if preset.evaluation.score == "exact_match" and not stage.answers:
        raise UserError(
            f"{stage.does} does not have reference answers to compare",
            place="evaluation.score",
            remedy="use auto: the stage's own metrics before and after",
        )
    rank = preset.method.rank
    most = min(arch.hidden_size, arch.intermediate_size or arch.hidden_size)
    if rank != "auto" and technique.ranked and rank > most:
        raise UserError(
            f"a rank of {rank} is above the model's hidden size of {arch.hidden_size}",
            place="method.rank",
            remedy="use a rank from 8 to 256",
        )
    if not arch.kind.listed and not arch.counted and not preset.model.trust_remote_code:
        raise UserError(
            f"model_type '{printable(arch.kind.name)[:60]}' is not known to transformers {version()}",
            place="model.base",
            remedy="if you trust the code in its repository, set model.trust_remote_code and a revision",
        )
    if technique.counts is not None:
        _check_own(preset, arch, technique)
    else:
        count.target_names(arch, _targets(preset))
        count.saved_parameters(arch, preset.method.modules_to_save)
    if preset.training.activation_checkpointing not in (False, "auto") and not _recomputes(arch):
        raise UserError(
            f"the layers of {arch.kind.name} cannot recompute their activations",
            place="training.activation_checkpointing",
            remedy="set it to false",
        )
    offloads, recomputes = preset.training.activation_offloading, preset.training.activation_checkpointing
    if offloads is True and (recomputes is False or not _recomputes(arch)):
        raise UserError(
            "activation offloading moves what activation checkpointing stores, which is off",
            place="training.activation_offloading",
            remedy="set training.activation_checkpointing: true" if _recomputes(arch) else "set it to false",
        )
    if preset.training.compile is True and preset.training.kernels == "liger":
        raise UserError(
            "compiled layers and Liger kernels replace the same code: use one of them",
            place="training.compile",
            remedy="use auto or false, or set training.kernels: none",
        )
    if technique.adapters and arch.counted and not arch.counted.reach:
        raise UserError(
            f"PEFT cannot load adapters for any layer of '{printable(arch.kind.name)[:60]}'",
            place="method.technique",
            remedy=f"use {techniques.automatic(tiny=True)[0].key}",
        )
    _check_experts(preset, arch, technique)
    attention.check(preset, arch, device)
    effective = preset.training.effective_batch
    if effective % copies:
        raise UserError(
            f"{effective} rows per step cannot be divided among {copies} processes",
            place="training.effective_batch",
            remedy=f"use a multiple of {copies}, such as {(effective // copies + 1) * copies}",
        )
    micro = preset.training.micro_batch
    if (micro != "auto" and micro < stage.least) or effective // copies < stage.least:
        raise UserError(
            f"{stage.does} compares the rows of a micro-batch, and needs {stage.least} of them",
            place="training.micro_batch",
            remedy=f"{stage.least} or more, or auto",
        )
    if micro != "auto" and (effective // copies) % micro:
        raise UserError(
            f"{micro} does not divide the {effective // copies} rows per step of each process",
            place="training.micro_batch",
            remedy=f"use one of {', '.join(str(d) for d in _divisors(effective // copies))}, or auto",
        )
    if preset.method.adapter_dtype == "bfloat16" and device.kind == "cuda" and not device.bf16:
        raise UserError(
            f"{device.name} does not support bfloat16 (compute capability below 8.0)",
            place="method.adapter_dtype",
            remedy="use float32 or auto",
        )
    _check_fp8(preset, arch, device, technique)
    _check_fp8_compute(preset, arch, device, technique)
    if technique.base == NF4 and device.kind == "cpu":
        asked = preset.model.quantization == techniques.AUTO
        instead = techniques.automatic(tiny=False, over=False)[0]
        raise UserError(
            f"{technique.name} needs an NVIDIA GPU: 4-bit weights cannot be trained on the CPU",
            place="method.technique" if asked else "model.quantization",
            remedy=f"use {instead.key if asked else instead.base}, or plan for a GPU with --gpu NAME",
        )


def _check_own(preset: Preset, arch: Architecture, technique: Technique) -> None:
    """UserError for what a technique without a rank can't be applied to."""
    count.trained_by(arch, technique, dict(options_of(preset, technique)))


def _check_fp8(preset: Preset, arch: Architecture, device: Device, technique: Technique) -> None:
    if technique.base != FP8:
        return
    if device.kind == "cuda" and not device.fp8:
        raise UserError(
            f"{device.name} does not support FP8 (compute capability below 8.9)",
            place="model.quantization",
            remedy="use none, or nf4 if that does not fit",
        )
    if not static.fp8_shapes(arch):
        raise UserError(
            f"no layer of {arch.kind.name} can be stored in FP8: its sizes must be multiples of "
            f"{static.FP8_MULTIPLE}",
            place="model.quantization",
            remedy="use none or nf4",
        )


def _check_fp8_compute(preset: Preset, arch: Architecture, device: Device, technique: Technique) -> None:
    if preset.training.fp8_compute is not True:
        return
    stage, place = stages.every()[preset.method.stage], "training.fp8_compute"
    if technique.base != NF4:
        name = f"{technique.name} over FP8" if technique.base == FP8 else technique.name
        remedy = "use auto" if device.kind == "cpu" else "use auto, or set method.technique: qlora"
        raise UserError(f"it is for 4-bit base models, and this is {name}", place=place, remedy=remedy)
    if device.kind == "cuda" and not device.fp8:
        says = f"{device.name} does not support FP8 (compute capability below 8.9)"
        raise UserError(says, place=place, remedy="use auto or false")
    if not stage.likelihood:
        says = "FP8 products are for supervised fine-tuning and pretraining, where their cost is measured"
        raise UserError(f"{says}, not for {stage.does}", place=place, remedy="use auto or false")
    if not static.fp8_shapes(arch, nf4=True):
        says = (
            f"no 4-bit layer of {printable(arch.kind.name)} can multiply in FP8: its input size must be a "
            f"multiple of {static.NF4_BLOCK}, its output size of {static.FP8_MULTIPLE}"
        )
        raise UserError(says, place=place, remedy="use auto or false")


def _recomputes(arch: Architecture) -> bool:
    return arch.counted is None or arch.counted.checkpoints


def _check_experts(preset: Preset, arch: Architecture, technique: Technique) -> None:
    """PEFT 0.21 adapts experts (3-D parameters) too under all-linear, but only plainly."""
    method = preset.method
    if not technique.adapters or not count.adapts_experts(arch, method.target_modules):
        return
    if not technique.experts:
        raise UserError(
            f"{technique.name} cannot adapt the experts of a mixture-of-experts model",
            place="method.technique",
            remedy=f"use {techniques.automatic(tiny=False)[0].key}, or method.target_modules: attention",
        )
    if method.dropout:
        raise UserError(
            "adapters on experts cannot have dropout",
            place="method.dropout",
            remedy="set it to 0.0, or set method.target_modules: attention",
        )


def _targets(preset: Preset) -> str | tuple[str, ...]:
    targets = preset.method.target_modules
    return targets if isinstance(targets, str) else tuple(targets)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0][:12]
