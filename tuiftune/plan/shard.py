"""What a GPU holds and exchanges where the GPUs share one model (FSDP2).

By PyTorch's documentation of fully_shard: every decoder layer is a unit, gathered for its own computation
while the next one is fetched; what stands outside the layers (embedding, norm, head) stays gathered from
forward to backward. Gradients are scattered after each micro step. Three runs on two H200s are within 5 % of
it (benchmarks/gpu): too few to be sure, so the bound is widened.
"""

from __future__ import annotations

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
# What the caching allocator holds beyond the live tensors, as shares of these: expected, and at most. Buffers
# pass between FSDP2's streams and are free when the other one is done: 14, 19 and 22 % on two H200s.
ALLOCATOR = (0.18, 0.25)
# Seconds a layer and micro step that the host needs to gather its weights and scatter its gradients: three
# runs of short rows on two H200s took 5 to 15 ms more than for a layer that nobody shares.
LAUNCH = 0.010
REDUCED = 4  # bytes of a gradient while it is added up over the GPUs
HOST_LINK = 2.0e10  # bytes a second from RAM to a GPU: what PCIe 4 sustains, as `hardware.cards` has it
HOST_BANDWIDTH = 5.0e10  # of the RAM that the optimizer runs in, for all processes together (a rough guess)
STATES = 8.0  # times the trained weights' bytes that an update reads and writes


def parts(whole: dict[str, int], arch: Architecture, settings: Settings) -> dict[str, int]:
    """Bytes of one GPU by component, from those of a GPU that holds all of it."""
    found, shards = dict(whole), settings.shards
    for name in SHARED:
        found[name] = 0 if settings.offload else -(-found.get(name, 0) // shards)
    layer, outside = _weights(arch, settings)
    trained_layer, trained_outside = _trained(arch, settings)
    found["weights"] += int(GATHERED * layer + outside)
    found["gradients"] += int(_in_flight(trained_layer, trained_outside, settings))
    return found


def _in_flight(layer: float, outside: float, settings: Settings) -> float:
    """Bytes of whole gradients, beyond the shards of all, while a layer's or those outside are scattered.

    What stands outside is scattered last: until then its gradient is whole, and its shard isn't there.
    """
    held = outside / settings.shards * (settings.adapter_bytes if settings.adapted else settings.weight_bytes)
    scattered = settings.compute_bytes + REDUCED
    return max(layer * scattered + outside * settings.compute_bytes, outside * scattered) - held


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
    """Seconds of a micro step in which weights are gathered twice and gradients are scattered; computing goes
    on meanwhile.
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
