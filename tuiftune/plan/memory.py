"""Bytes a training step needs on one GPU, by component; and the bound that "fits" is decided on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.models import count
from tuiftune.plan import activations, divided, shard, static
from tuiftune.plan.model import Memory
from tuiftune.preset.sizes import GIB

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.settings import Settings

CONTEXT = int(
    0.75 * GIB
)  # CUDA context and kernels outside the allocator: one H200, every single-process run
# What NCCL holds outside the allocator to exchange gradients in: its channels' buffers. Measured between two
# H200s with LoRA of a 1B and an 8B shape (benchmarks/gpu).
EXCHANGE = int(0.83 * GIB)
# What is lost in the pieces that memory is taken in: 2 and 20 MiB and up on a GPU, smaller on a host.
SEGMENTS = {"cuda": 256 << 20, "cpu": 64 << 20}
EXPANDABLE = (
    128 << 20
)  # the same where the allocator may expand a piece (PYTORCH_ALLOC_CONF, set by the engine)
COMPILED_DOUBT = 1.02  # on what was measured, not traced
COMPILED_WHOLE_DOUBT = 1.08  # the same with all weights trained: one shape was
# The allocator's shares where all logits of a batch come and go: 6 to 12 % with ORPO and SimPO on H200s.
ALL_LOGITS = (0.09, 0.13)
LAST_LOGITS = 16  # bytes a token of the vocabulary: in 16 and 32 bit, and sorted to be sampled from
HOST_CONTEXT = int(0.9 * GIB)  # resident Python, torch, transformers, peft and trl on a CPU-only machine


def estimate(arch: Architecture, settings: Settings) -> Memory:
    """Predict one GPU's memory in training. Pure arithmetic: no torch, well under 2 ms.

    `components` without `allocator` and `context` add up to `allocated`; with them, to `device`.
    """
    settings = settings.forward
    parts = static.components(arch, settings)
    apart = settings.shards == settings.divided == 1
    alone = settings if apart else replace(settings, copies=1)  # DDP exchanges no buckets
    passed = arch
    if reached := settings.option(settings.traits.depth):  # the layers before keep nothing
        passed = replace(arch, num_layers=min(reached, arch.num_layers))
    if settings.shards > 1:
        parts, alone = shard.held(parts, settings), shard.in_products(alone)
    moving, exact = activations.components(passed, alone, gradients=parts["gradients"])
    exact = exact and not settings.traits.bounded
    if settings.traits.copies:  # cast for each product
        moving["activations peak"] += settings.compute_bytes * static.trainable(arch, settings)
    components = {**parts, **moving}
    components["weights"] += components.pop("gathered", 0)  # of a model that GPUs share
    if settings.divided > 1:
        components = divided.parts({**components, "gradients": parts["gradients"]}, arch, settings)
    if settings.rollouts:  # answers are sampled before the step, while nothing of it lies in memory
        components["generation"] = max(0, generation(arch, settings) - sum(moving.values()))
    allocated = sum(components.values())
    low, high = _allocator_share(settings, allocated)
    context = HOST_CONTEXT if settings.device == "cpu" else CONTEXT
    if settings.copies > 1 and settings.device == "cuda":
        context += EXCHANGE
    reserved = int(allocated * (1 + low))
    components["allocator"] = reserved - allocated
    components["context"] = context
    compiled = COMPILED_DOUBT if settings.adapted else COMPILED_WHOLE_DOUBT
    doubt = 1.15 if not arch.known else 1.0 if exact else compiled if settings.compile else 1.06
    pieces = EXPANDABLE if settings.compile and settings.device == "cuda" else SEGMENTS[settings.device]
    if settings.shards > 1:
        doubt *= shard.DOUBT
    if settings.divided > 1:
        doubt *= divided.DOUBT
    needs = int(allocated * (1 + high) * doubt) + pieces + context
    if settings.shards > 1:
        needs = max(needs, int(shard.while_loading(arch, settings) * shard.DOUBT) + pieces + context)
    if start := settings.traits.start_bytes:  # before the first step
        largest = max(into * out for _, into, out, _ in count.linear_shapes(arch))
        needs = max(needs, int(parts["weights"] + start * largest) + pieces + context)
    return Memory(
        components=components, allocated=allocated, reserved=reserved, device=reserved + context, needs=needs
    )


def generation(arch: Architecture, settings: Settings) -> int:
    """Bytes of keys and values, and of the last logits, while all answers of a step are sampled together."""
    answers = settings.micro_batch * settings.accumulation
    kept = 2 * arch.num_layers * arch.kv_size * settings.compute_bytes * settings.length
    return int(answers * (kept + LAST_LOGITS * arch.vocab_size))


def _allocator_share(settings: Settings, allocated: int) -> tuple[float, float]:
    """What the caching allocator holds beyond the live tensors, as shares of these: expected, and at most.

    Source: benchmarks/memory, 116 runs on H200s in the allocator's ordinary pieces; the second figure with
    SEGMENTS bounds all whose model was loaded as it is in use. Layers are compiled by this engine only,
    whose allocator expands its pieces: seven runs lost 0.2 to 2.7 % to them.
    """
    kept = settings.checkpointing is False
    if settings.logits:
        return ALL_LOGITS
    if settings.shards > 1 and settings.device == "cuda":
        return shard.allocator_shares(allocated)
    if settings.compile:
        return (0.015, 0.04)
    share = settings.traits.allocator
    return share.kept if kept else share.recomputed
