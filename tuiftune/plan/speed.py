"""Seconds a training step takes, predicted: products, memory traffic, launches, dequantization, padding.

Calibrated on sixteen stacks measured on one H200: the 8B Llama shape, LoRA rank 16, 4 × 2048 tokens a step;
compiled layers and the host's part again on 22 runs, once logits were computed once and nothing was read
within a step (`benchmarks/speed`, n to s). Other GPUs scale with the floating point rate and the bandwidth of
their data sheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.models import count
from tuiftune.plan import divided, offloading, shard, static

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
    "compile": ((43.0, 94.0), (39.0, 91.0)),
}
# Seconds a layer and micro step that grow with neither rows nor length: forward, backward. What the host took
# for walks through the model was in them: half a millisecond less today, in all.
OVERHEAD = {"plain": (0.2e-3, 0.3e-3), "liger": (0.2e-3, 0.3e-3), "compile": (0.0, 0.0)}
# Seconds a micro step in which a GPU waits: rows are collated, the loss is read. Where logits are computed
# once, nothing is read within a step; elsewhere logits that are computed again are in it, for the 8B shape.
# Two micro steps of 2 rows took 15 ms longer than one of 4, in 16 bit, on one machine.
BETWEEN, BETWEEN_ONCE = 0.017, 0.011
# A product with a frozen weight in FP8 and its roundings, as a multiple of the 16-bit one's rate: forward,
# and for the input gradient. From two runs on an H200 (8B shape, 8,192 tokens a step: benchmarks/fp8); other
# GPUs' data sheets promise the same 2× of 16 bit.
FP8_RATES = (1.73, 2.02)
EMULATED = 0.25  # of the rate, where FP8 is computed in float32
ROUND_BYTES = 22.0  # an element that is rounded to FP8, where layers aren't compiled
DEQUANTIZE_BYTES = 10.0  # a quantized weight and pass
# The same where it becomes FP8 for its products: fitted to two runs on an H200 (8B shape, kept and
# recomputed, 4 rows), with what such products take longer by than those of a base in FP8.
FP8_DEQUANTIZE_BYTES = 5.0
CAST_BYTES = 6.0  # a float32 weight and pass: read, and written in 16 bit; backward it is the gradient's
# Seconds a layer and pass that the host needs at least to launch its work: with adapters, without (not
# measured). Forward and backward by themselves where the loss is read between them. Hosts differ by a quarter
# and more: these are the slower ones', so that no plan is taken which only a quick host makes fast. Compiled
# layers: six runs of 1 and 2 rows on one machine (`benchmarks/speed`, q), where others made up to 21 % more.
LAUNCH = {"plain": (2.4e-3, 1.2e-3), "liger": (2.1e-3, 1.0e-3), "compile": (2.4e-3, 0.35e-3)}
# The same where layers round to FP8 as well.
FP8_LAUNCH = {"plain": 5.0e-3, "liger": 5.0e-3, "compile": 3.1e-3}
NF4_LAUNCH = 0.6e-3  # more, where four bits become FP8 for each product
VARYING = 1.75  # of a compiled pass, where each batch has another length
CPU_LAUNCH = 0.4e-3
STEP_OVERHEAD = 0.0075


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
    head = 2.0 * arch.hidden_size * arch.vocab_size * tokens if settings.head_once else 0.0
    work -= head * recompute  # the others' logits are computed again with the layers, or instead of them
    if reached := settings.option(traits.depth):  # nothing is passed back through the layers before
        share = min(1.0, reached / arch.num_layers)
        back = (products + attention) * (1.0 + recompute) + traits.weight_gradients * products + attention
        work = (products + attention) * (1.0 + settings.reference) + share * back
        work -= head * share * recompute
    # autocast doesn't reach experts' grouped products (transformers 5.24): float32 where they are trained
    slow = settings.compute_bytes == 4 or (settings.autocast and arch.num_experts)
    rate = device.flops * (1.0 if device.kind == "cpu" else MATMUL_SHARE * (0.5 if slow else 1.0))
    compute = work / rate
    first = (products + attention) * (1.0 + settings.reference) / rate  # of it, before the loss
    if settings.teacher is not None:
        taught = 2.0 * count.active_parameters(settings.teacher) * tokens / rate
        compute, first = compute + taught, first + taught
    if settings.fp8_products:
        saved, saved_first = _fp8_products(arch, settings, tokens, again)
        compute, first = compute + saved / rate, first + saved_first / rate

    kind = "compile" if settings.compile else settings.kernels if settings.kernels in TRAFFIC else "plain"
    lean = settings.adapter_bytes == 2 if settings.adapted else not settings.autocast
    forward, backward = TRAFFIC[kind][lean]
    before = forward * (1.0 + settings.reference) / (forward * (1.0 + again) + backward)
    traffic = (forward * (1.0 + again) + backward) * traits.traffic
    moved = traffic * (_width(arch) + 2 * arch.hidden_size) * tokens * arch.num_layers
    quantizable = count.quantizable_parameters(arch)
    if settings.autocast:
        moved += CAST_BYTES * count.active_parameters(arch) * (2.0 + again)
    if settings.fp8_products and not settings.compile:
        shapes = static.fp8_shapes(arch, nf4=settings.fp8_compute)
        rounded = sum((into * (1.0 + again) + out) * many for into, out, many in shapes)
        moved += ROUND_BYTES * tokens * rounded
    if settings.four_bit:
        each = FP8_DEQUANTIZE_BYTES if settings.fp8_compute else DEQUANTIZE_BYTES
        moved += each * quantizable * (2.0 + again)
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
        FP8_LAUNCH[kind] if settings.fp8_products else LAUNCH[kind][not settings.adapted]
    ) * arch.num_layers
    if settings.fp8_compute:
        launch += NF4_LAUNCH * arch.num_layers
    if varying and settings.compile:
        launch *= VARYING
    launched = launch * (1.0 + settings.reference)
    if settings.teacher is not None:
        launched += LAUNCH["plain"][1] * settings.teacher.num_layers
    first += before * memory + forward * (1.0 + settings.reference) * arch.num_layers
    rest = compute + memory + overhead - first
    back = launch * (1.0 + recompute)
    copied = offloading.seconds(arch, settings, tokens)
    if settings.head_once:  # nothing is read until the step's end: the host is ahead, or behind throughout
        seconds = max(max(first, copied) + max(rest, copied), launched + back)
    else:
        seconds = max(first, launched, copied) + max(rest, back, copied)
    if settings.shards > 1:
        launched += back + shard.LAUNCH * arch.num_layers
        seconds = max(seconds, launched) + shard.exchange_seconds(arch, settings, device)
    if settings.divided > 1:
        seconds += divided.exchange_seconds(arch, settings, device)
    return seconds + (BETWEEN_ONCE if settings.head_once else BETWEEN)


def _fp8_products(arch: Architecture, settings: Settings, tokens: float, again: float) -> tuple[float, float]:
    """16-bit operations that products in FP8 save (negative), or add where they are emulated: in all, and
    before the loss.
    """
    shapes = static.fp8_shapes(arch, nf4=settings.fp8_compute)
    held = 2.0 * tokens * sum(into * out * many for into, out, many in shapes)
    forward, backward = FP8_RATES if settings.device == "cuda" else (EMULATED, EMULATED)
    each = held * (1.0 / forward - 1.0)
    return each * (1.0 + again) + held * (1.0 / backward - 1.0), each * (1.0 + settings.reference)


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
