"""Seconds a training step takes, predicted: products, memory traffic, launches, dequantization, padding.

Calibrated on sixteen stacks measured on one H200: the 8B Llama shape, LoRA rank 16, 4 × 2048 tokens a step;
other GPUs scale with the floating point rate and the bandwidth of their data sheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.models import count
from tuiftune.plan import divided, shard, static

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.settings import Settings

MATMUL_SHARE = 0.80  # of the data sheet's dense rate: 790 of 989 TFLOP/s on an H200
# Bytes of elementwise traffic a token and layer, per unit of (intermediate + 2 hidden): forward, backward.
# First for float32 adapters under autocast, then for 16 bit throughout.
TRAFFIC = {
    "plain": ((128.0, 187.0), (109.0, 153.0)),
    "liger": ((85.0, 151.0), (37.0, 130.0)),
    "compile": ((39.0, 126.0), (35.0, 121.0)),
}
# Seconds a layer and micro step that grow with neither rows nor length: forward, backward.
OVERHEAD = {"plain": (0.375e-3, 0.625e-3), "liger": (0.375e-3, 0.625e-3), "compile": (0.2e-3, 0.3e-3)}
# A product with a frozen weight in FP8 and its roundings, as a multiple of the 16-bit one's rate: forward,
# and for the input gradient. From two runs on an H200 (8B shape, 8,192 tokens a step: benchmarks/fp8); other
# GPUs' data sheets promise the same 2× of 16 bit.
FP8_RATES = (1.73, 2.02)
EMULATED = 0.25  # of the rate, where FP8 is computed in float32
ROUND_BYTES = 22.0  # an element that is rounded to FP8, where layers aren't compiled
DEQUANTISE_BYTES = 10.0  # a quantized weight and pass
CAST_BYTES = 6.0  # a float32 weight and pass: read, and written in 16 bit; backward it is the gradient's
# Seconds a layer and pass that the host needs at least to launch its work: with adapters, without (not
# measured). Hosts differ: of two H200 machines one needed 2.6 and 2.0 ms (plain and compiled layers:
# `benchmarks/speed/host.py`), the other a quarter more. These are the slower one's, so that a plan which is
# quick only on a quick host isn't taken for the fastest.
LAUNCH = {"plain": (3.2e-3, 1.2e-3), "liger": (2.9e-3, 1.0e-3), "compile": (2.5e-3, 0.35e-3)}
# The same where layers round to FP8 as well: three runs, on a slow host.
FP8_LAUNCH = {"plain": 5.8e-3, "liger": 5.8e-3, "compile": 3.05e-3}
RELAUNCH = 1.8  # of a pass, where it is recomputed: 3.6 ms against 2.0
VARYING = 1.5  # of a compiled pass, where each batch has another length: 3.7 ms against 2.5
CPU_LAUNCH = 0.4e-3
STEP_OVERHEAD = 0.004


def step_seconds(
    arch: Architecture, settings: Settings, device: Device, length: float, *, varying: bool = False
) -> float:
    """Seconds of one micro step (forward, backward) on one GPU, rows padded to `length` on average.

    `varying` says that batches differ in how long they are padded.
    """
    settings = settings.forward
    if settings.shards > 1:
        settings = shard.in_products(settings)
    tokens = settings.micro_batch * length
    matrices = count.active_parameters(arch) - arch.vocab_size * arch.hidden_size * (
        0 if arch.tie_embeddings else 1
    )
    recompute = _recomputed(settings)
    again = recompute + settings.reference  # forward passes beyond the one that is differentiated
    products = 2.0 * matrices * tokens
    attention = 2.0 * 2.0 * tokens * length * arch.query_size * arch.num_layers / 2
    if settings.masked:  # nothing of the square is left out, and it is one for the whole sequence
        attention *= 2.0 * (settings.micro_batch if settings.padding_free else 1)
    traits = settings.traits
    work = (products + attention) * (2.0 + again) + traits.weight_gradients * products + attention
    if reached := settings.option(traits.depth):  # nothing is passed back through the layers before
        share = min(1.0, reached / arch.num_layers)
        back = (products + attention) * (1.0 + recompute) + traits.weight_gradients * products + attention
        work = (products + attention) * (1.0 + settings.reference) + share * back
    # autocast doesn't reach experts' grouped products (transformers 5.24): float32 where they are trained
    slow = settings.compute_bytes == 4 or (settings.autocast and arch.num_experts)
    rate = device.flops * (1.0 if device.kind == "cpu" else MATMUL_SHARE * (0.5 if slow else 1.0))
    compute = work / rate
    if settings.teacher is not None:
        compute += 2.0 * count.active_parameters(settings.teacher) * tokens / rate
    if settings.fp8:
        compute += _fp8_products(arch, settings, tokens, again) / rate

    kind = "compile" if settings.compile else settings.kernels if settings.kernels in TRAFFIC else "plain"
    lean = settings.adapter_bytes == 2 if settings.adapted else not settings.autocast
    forward, backward = TRAFFIC[kind][lean]
    traffic = (forward * (1.0 + again) + backward) * traits.traffic
    moved = traffic * (_width(arch) + 2 * arch.hidden_size) * tokens * arch.num_layers
    quantizable = count.quantizable_parameters(arch)
    if settings.autocast:
        moved += CAST_BYTES * count.active_parameters(arch) * (2.0 + again)
    if settings.fp8 and not settings.compile:
        shapes = static.fp8_shapes(arch)
        rounded = sum((into * (1.0 + again) + out) * many for into, out, many in shapes)
        moved += ROUND_BYTES * tokens * rounded
    if settings.four_bit:
        moved += DEQUANTISE_BYTES * quantizable * (2.0 + again)
    moved += traits.weight_traffic * quantizable * (1.0 + recompute)
    memory = moved / device.bandwidth
    if device.kind == "cpu":
        seconds = max(compute + memory, CPU_LAUNCH * arch.num_layers * (2.0 + again))
        if settings.shards > 1:  # what exchanges is what computes
            seconds += shard.exchange_seconds(arch, settings, device)
        if settings.divided > 1:
            seconds += divided.exchange_seconds(arch, settings, device)
        return seconds + 0.005
    forward, backward = OVERHEAD[kind]
    overhead = (forward * (1.0 + again) + backward) * arch.num_layers
    launch = (
        (FP8_LAUNCH[kind] if settings.fp8 else LAUNCH[kind][not settings.adapted])
        * arch.num_layers
        * (2.0 + RELAUNCH * recompute + settings.reference)
    )
    if settings.teacher is not None:
        launch += LAUNCH["plain"][1] * settings.teacher.num_layers
    if varying and settings.compile:
        launch *= VARYING
    seconds = max(compute + memory + overhead, launch)
    if settings.shards > 1:
        launch += shard.LAUNCH * arch.num_layers
        seconds = max(seconds, launch) + shard.exchange_seconds(arch, settings, device)
    if settings.divided > 1:
        seconds += divided.exchange_seconds(arch, settings, device)
    return seconds + 0.002


def _fp8_products(arch: Architecture, settings: Settings, tokens: float, again: float) -> float:
    """16-bit operations that products in FP8 save (negative), or add where they are emulated."""
    held = 2.0 * tokens * sum(into * out * many for into, out, many in static.fp8_shapes(arch))
    forward, backward = FP8_RATES if settings.device == "cuda" else (EMULATED, EMULATED)
    return held * ((1.0 + again) * (1.0 / forward - 1.0) + (1.0 / backward - 1.0))


def generation_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of sampling the answers of a step, one token at a time: weights are read for each of them."""
    if not settings.rollouts:
        return 0.0
    read = static.components(arch, settings)["weights"] / device.bandwidth
    launch = CPU_LAUNCH if device.kind == "cpu" else LAUNCH["plain"][not settings.adapted] / 2
    products = 2.0 * count.active_parameters(arch) * settings.micro_batch * settings.accumulation
    return settings.rollouts * max(read + products / device.flops, launch * arch.num_layers)


def update_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of one optimizer step beyond its micro steps: states read and written, gradients exchanged."""
    if settings.shards > 1:
        return shard.update_seconds(arch, settings, device) + (
            STEP_OVERHEAD if device.kind == "cuda" else 0.01
        )
    if settings.divided > 1:
        fixed = STEP_OVERHEAD if device.kind == "cuda" else 0.01
        return divided.update_seconds(arch, settings, device) + fixed
    trained = static.trainable(arch, settings)
    each = settings.adapter_bytes if settings.adapted else settings.weight_bytes
    moved = trained * each * 8.0
    seconds = moved / device.bandwidth + (STEP_OVERHEAD if device.kind == "cuda" else 0.01)
    if settings.copies > 1:
        seconds += 2.0 * trained * each / device.exchange + 0.005  # a ring all-reduce
    return seconds


def _recomputed(settings: Settings) -> float:
    """Share of the layers whose forward pass runs twice."""
    return 1.0 / int(settings.checkpointing) if settings.checkpointing else 0.0


def _width(arch: Architecture) -> int:
    if arch.num_experts:
        return arch.experts_per_token * arch.moe_intermediate_size + arch.shared_intermediate_size
    return arch.intermediate_size
