"""Every way to run the same preset on a device, predicted: which fit, and which of these is the fastest."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.plan import attention, memory, offloading, speed, static

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.model import Memory
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.settings import Settings
    from tuiftune.preset.schema import Preset

COMPILE_SECONDS = 15.0  # before the first step: 11 s were measured (8B, H200); twice where lengths differ
OPTIMIZERS = ("adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit")  # the most exact states first
TRIAL_STEPS = 2000  # what a run cut short by max_steps is judged as: it tries out a longer one
LIGER_FAMILIES = frozenset(
    {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi3",
        "olmo2",
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run, with what it needs and how fast it is."""

    settings: Settings
    accumulation: int
    memory: Memory
    fits: bool
    step_seconds: float  # one optimizer step
    tokens_per_second: float  # real tokens, padding not counted, all GPUs
    setup_seconds: float

    def seconds(self, steps: int | None) -> float:
        """Of the whole run, or of 1,000 optimizer steps where its length is not known."""
        return self.setup_seconds + self.step_seconds * (steps if steps else 1000)


@dataclass(frozen=True, slots=True)
class Space:
    """What may vary. A lever that the preset pins has one value."""

    checkpointing: tuple[bool | int, ...]
    offloads: tuple[bool, ...]  # with activation checkpointing; left open: in all layers
    kernels: tuple[str, ...]
    compiles: tuple[bool, ...]
    fp8_computes: tuple[bool, ...]
    optimizers: tuple[str, ...]
    micro_batches: tuple[int, ...]
    padding_free: tuple[bool, ...]


@lru_cache(maxsize=1)
def liger_installed() -> bool:
    return importlib.util.find_spec("liger_kernel") is not None


def divisors(number: int) -> tuple[int, ...]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def space_of(preset: Preset, arch: Architecture, base: Settings, device: Device, lengths: Lengths) -> Space:
    """The levers the engine has for this technique on this device, as far as the preset leaves them open."""
    training = preset.training
    asked = training.activation_checkpointing
    checkpointing: tuple[bool | int, ...] = (
        (False, 4, 2, True) if asked == "auto" else (_checkpointing(asked),)
    )
    if asked == "auto" and arch.counted and not arch.counted.checkpoints:
        checkpointing = (False,)
    alone = base.shards == base.divided == 1
    moved = training.activation_offloading
    offloads: tuple[bool, ...] = (moved,) if moved != "auto" else (False,)
    if moved == "auto" and device.kind == "cuda" and alone:
        offloads = (False, True)
    elif moved is True:
        checkpointing = tuple(one for one in checkpointing if one)
    kernels: tuple[str, ...] = (training.kernels,)
    if training.kernels == "auto" and not alone:
        kernels = ("none",)
    elif training.kernels == "auto":
        usable = device.kind == "cuda" and liger_installed() and arch.family in LIGER_FAMILIES
        kernels = ("none", "liger") if usable else ("none",)
    compiles: tuple[bool, ...] = (training.compile,) if training.compile != "auto" else (False,)
    if training.compile == "auto" and device.kind == "cuda" and base.traits.compiles and alone:
        compiles = (False,) if arch.num_experts or not arch.known else (False, True)
    fp8_computes: tuple[bool, ...] = (training.fp8_compute is True,)
    if training.fp8_compute == "auto" and device.fp8 and computes_in_fp8(preset, arch, base):
        fp8_computes = (False, True)
    share = training.effective_batch // base.copies
    least = min(share, stages.every()[preset.method.stage].least)
    several = tuple(one for one in divisors(share) if one >= least)
    micro = several if training.micro_batch == "auto" else (int(training.micro_batch),)
    return Space(
        checkpointing,
        offloads,
        kernels,
        compiles,
        fp8_computes,
        optimizers(preset, base, device),
        micro,
        attention.choices(preset, base, lengths),
    )


def computes_in_fp8(preset: Preset, arch: Architecture, base: Settings) -> bool:
    """Whether `training.fp8_compute` is for this: a 4-bit base with layers of such sizes, on GPUs that don't
    share it, and a stage whose loss is the text's, so that what it costs can be measured.
    """
    alone = base.shards == base.divided == 1
    told = stages.every()[preset.method.stage].likelihood
    return base.four_bit and alone and told and bool(static.fp8_shapes(arch, nf4=True))


def optimizers(preset: Preset, base: Settings, device: Device) -> tuple[str, ...]:
    if preset.training.optimizer != "auto":
        return (preset.training.optimizer,)
    if not base.adapted and device.kind == "cuda" and base.shards == base.divided == 1:
        return OPTIMIZERS
    return ("adamw_torch_fused",)


def _checkpointing(value: bool | int) -> bool | int:
    return True if value is not False and not isinstance(value, bool) and value == 1 else value


def candidates(
    arch: Architecture, base: Settings, space: Space, device: Device, lengths: Lengths, effective: int
) -> Iterator[Candidate]:
    """Every combination of the levers; memory bounded at the longest row, speed at the mean padded length."""
    for checkpointing, offloads, kernels, compiled, in_fp8, optimizer, micro, joined in product(
        space.checkpointing,
        space.offloads,
        space.kernels,
        space.compiles,
        space.fp8_computes,
        space.optimizers,
        space.micro_batches,
        space.padding_free,
    ):
        if compiled and kernels == "liger":
            continue  # both replace the same elementwise code
        if in_fp8 and not compiled and len(space.fp8_computes) > 1:
            continue  # its roundings cost more than it gains where nothing fuses them
        if joined and micro == 1 and len(space.padding_free) > 1:
            continue  # one row is never padded
        if offloads and checkpointing is not True and len(space.offloads) > 1:
            continue  # more is left in GPU memory than is moved
        settings = replace(
            base,
            checkpointing=checkpointing,
            activation_offloading=offloads,
            kernels=kernels,
            compile=compiled,
            fp8_compute=in_fp8,
            optimizer=optimizer,
            micro_batch=micro,
            padding_free=joined,
        )
        if not offloads or offloading.has_room(arch, joined_in(settings, lengths), device):
            yield judge(arch, settings, device, lengths, effective)


def joined_in(settings: Settings, lengths: Lengths) -> Settings:
    """The same with the tokens of rows in one sequence, which are not all as long as the longest."""
    if not settings.padding_free or settings.packing:
        return replace(settings, joined_tokens=None)
    return replace(settings, joined_tokens=lengths.together(settings.micro_batch))


def judge(
    arch: Architecture, settings: Settings, device: Device, lengths: Lengths, effective: int
) -> Candidate:
    """Predict one way to run. `effective` must be a multiple of micro batch × copies."""
    accumulation = max(1, effective // (settings.micro_batch * settings.copies))
    joined = settings.packing or (settings.padding_free and settings.micro_batch > 1)
    kernel = settings.attention if joined or settings.attention != attention.VARLEN else "sdpa"
    masked = joined and kernel not in attention.APART
    settings = joined_in(settings, lengths)
    settings = replace(settings, accumulation=accumulation, attention=kernel, masked=masked)
    predicted = memory.estimate(arch, settings)
    if device.correction != 1:
        predicted = replace(predicted, needs=int(predicted.needs * device.correction))
    if settings.packing:
        padded, real = float(settings.length), float(settings.length)
    elif settings.padding_free:
        padded, real = lengths.mean, lengths.mean
    else:
        padded, real = lengths.padded(settings.micro_batch), lengths.mean
    varying = lengths.differ and not settings.packing
    micro_step = speed.step_seconds(arch, settings, device, padded, varying=varying)
    step = accumulation * micro_step + speed.update_seconds(arch, settings, device)
    step += speed.generation_seconds(arch, settings, device)
    return Candidate(
        settings=settings,
        accumulation=accumulation,
        memory=predicted,
        fits=predicted.needs <= device.capacity,
        step_seconds=step,
        tokens_per_second=effective * settings.sequences * real / step,
        setup_seconds=COMPILE_SECONDS * (2 if lengths.differ else 1) if settings.compile else 0.0,
    )


def fastest(found: Iterable[Candidate], steps: int | None) -> Candidate | None:
    """The one that ends first among those that fit; of those within 2 % of it, the plainest and smallest.

    With the optimizer of the most exact states that any fits with.
    """
    fitting = [c for c in found if c.fits]
    if not fitting:
        return None
    there = {c.settings.optimizer for c in fitting}
    exact = next((name for name in OPTIMIZERS if name in there), "")
    fitting = [c for c in fitting if c.settings.optimizer == exact] or fitting
    best = min(c.seconds(steps) for c in fitting)
    close = [c for c in fitting if c.seconds(steps) <= best * 1.02]
    return min(
        close,
        key=lambda c: (
            c.settings.compile,
            c.settings.fp8_compute,
            c.settings.kernels != "none",
            c.settings.activation_offloading,
            c.settings.padding_free,
            c.memory.needs,
        ),
    )


def smallest(found: Iterable[Candidate]) -> Candidate:
    return min(found, key=lambda c: c.memory.needs)
