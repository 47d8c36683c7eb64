"""What a GPU holds and exchanges where the GPUs share one model (FSDP2).

By PyTorch's documentation of fully_shard: every decoder layer is a unit, gathered for its own computation
while the next one is fetched; what stands outside the layers (embedding, norm, head) stays gathered from
forward to backward. Gradients are scattered after each micro step. Six runs on two H200s are within 4 % of
it (benchmarks/gpu): too few to be sure, so the bound is widened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.models import count
from tuiftune.plan import static

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.settings import Settings

GATHERED = 3  # layers at once: the one that computes, the next, and the buffer that it arrives in
SHARED = ("weights", "adapters", "gradients", "optimizer")
DOUBT = 1.05  # on the bound
# What the caching allocator holds beyond the live tensors: buffers pass between FSDP2's streams and are free
# when the other one is done. Shares of the live ones, expected and at most (14, 18, 19, 22 % of 3 to 28 GiB
# on two H200s), and bytes that it stayed below (5.0, 4.6 and 4.7 GiB at 28, 84 and 81).
ALLOCATOR = (0.18, 0.25)
LOST = (4.8 * 2**30, 8 * 2**30)
# Seconds a layer and micro step that the host needs to gather its weights and scatter its gradients: three
# runs of short rows on two H200s took 5 to 15 ms more than for a layer that nobody shares.
LAUNCH = 0.010
REDUCED = 4  # bytes of a gradient while it is added up over the GPUs
HOST_LINK = 2.0e10  # bytes a second from RAM to a GPU: what PCIe 4 sustains, as `hardware.cards` has it
HOST_BANDWIDTH = 5.0e10  # of the RAM that the optimizer runs in, for all processes together (a rough guess)
STATES = 8.0  # times the trained weights' bytes that an update reads and writes


def held(whole: dict[str, int], settings: Settings) -> dict[str, int]:
    """Bytes of one GPU by component between steps, from those of a GPU that holds all of it."""
    return whole | {
        name: 0 if settings.offload else -(-whole.get(name, 0) // settings.shards) for name in SHARED
    }


def in_products(settings: Settings) -> Settings:
    """What passes through the model: gathered in the precision of products, so that nothing is cast."""
    if settings.compute_bytes == settings.weight_bytes == settings.adapter_bytes:
        return settings
    half = settings.compute_bytes
    return replace(
        settings, autocast=False, weight_bytes=half, adapter_bytes=min(half, settings.adapter_bytes)
    )


def gathered(arch: Architecture, settings: Settings, *, at_head: bool) -> float:
    """Bytes of weights that are whole in the backward pass: what stands outside the layers, and those layers
    that compute or arrive. None arrives while the head computes.
    """
    layer, outside = _weights(arch, settings)
    return (1 if at_head else GATHERED) * layer + outside


def gradients(arch: Architecture, settings: Settings, share: int, traced: float, *, at_head: bool) -> float:
    """Bytes of gradients at a moment of the backward pass: the GPU's `share` of those that are scattered
    (`traced` has how many of all there are by then), and whole ones of a layer and outside the layers.
    """
    layer, outside = _trained(arch, settings)
    there = 1.0
    if settings.accumulation == 1 and not settings.adapted:
        there = min(1.0, traced / (static.trainable(arch, settings) * settings.weight_bytes))
    if not arch.tie_embeddings:
        outside /= 2  # the head's: the embedding's comes last
    whole = outside * settings.compute_bytes + (0 if at_head else layer * (settings.compute_bytes + REDUCED))
    trained = max(static.trainable(arch, settings), 1.0)
    missing = share * outside / trained if settings.accumulation == 1 else 0.0  # it is not scattered yet
    return share * there + max(0.0, whole - missing)


def at_end(arch: Architecture, settings: Settings, share: int) -> tuple[float, float]:
    """Bytes of gradients and of gathered weights when those outside the layers are scattered, after all."""
    _, outside = _trained(arch, settings)
    missing = share * outside / max(static.trainable(arch, settings), 1.0)
    whole = outside * (settings.compute_bytes + REDUCED)
    weights = _weights(arch, settings)[1]
    return share + max(0.0, whole - (missing if settings.accumulation == 1 else 0.0)), weights


def allocator_shares(allocated: int) -> tuple[float, float]:
    """What the allocator holds in addition, as shares of `allocated` bytes: expected, and at most."""
    low, high = (min(share, lost / max(allocated, 1)) for share, lost in zip(ALLOCATOR, LOST, strict=True))
    return low, high


def in_ram(arch: Architecture, settings: Settings) -> int:
    """Bytes of RAM at most: the model, which rank 0 loads and gathers, and shards that are kept there."""
    held = static.components(arch, settings)
    whole = held["adapters"] if settings.four_bit else held["weights"] + held["adapters"]
    return whole + (sum(held.get(name, 0) for name in SHARED) if settings.offload else 0)


def while_loading(arch: Architecture, settings: Settings) -> int:
    """Bytes of a GPU that holds all of a quantized base before it is sharded; else nothing."""
    if not settings.four_bit:
        return 0
    held = static.components(arch, settings)
    constants = held["quantisation constants"]  # words: ok (a key of plan --json)
    return held["weights"] + constants + held["adapters"]


def exchange_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of a micro step in which weights are gathered twice and gradients are scattered.

    They are added to the computing: three runs with rows of 2,048 tokens on two H200s took so long, although
    FSDP2 does both at a time.
    """
    others = (settings.shards - 1) / settings.shards
    layer, outside = _weights(arch, settings)
    gathered = layer * arch.num_layers + outside
    trained = static.trainable(arch, settings)
    seconds = (2.0 * gathered + REDUCED * trained) * others / device.exchange
    if settings.offload:
        held = static.components(arch, settings)
        moved = 2.0 * (held["weights"] + held["adapters"]) + held["gradients"]
        seconds += moved / settings.shards / HOST_LINK
    return seconds


def update_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of one update of this GPU's share."""
    each = settings.adapter_bytes if settings.adapted else settings.weight_bytes
    moved = static.trainable(arch, settings) * each * STATES
    return moved / HOST_BANDWIDTH if settings.offload else moved / settings.shards / device.bandwidth


def _weights(arch: Architecture, settings: Settings) -> tuple[float, float]:
    """Bytes of one gathered layer, and of what stands outside the layers, in the precision of products."""
    total = static.parameters(arch)
    outside = arch.vocab_size * arch.hidden_size * (1 if arch.tie_embeddings else 2) + arch.hidden_size
    each = float(settings.compute_bytes)
    if settings.four_bit:
        each = static.components(arch, settings)["weights"] / total  # what is gathered stays packed
    adapters = static.trainable(arch, settings) * settings.compute_bytes if settings.adapted else 0
    layers = max(1, arch.num_layers)
    return (total - outside) * each / layers + adapters / layers, outside * settings.compute_bytes


def _trained(arch: Architecture, settings: Settings) -> tuple[float, float]:
    """Trained parameters of one layer, and of what stands outside the layers."""
    layers = max(1, arch.num_layers)
    if settings.adapted:
        return count.adapter_parameters(arch, settings.rank, settings.targets) / layers, 0.0
    outside = arch.vocab_size * arch.hidden_size * (1 if arch.tie_embeddings else 2) + arch.hidden_size
    return (static.parameters(arch) - outside) / layers, float(outside)
