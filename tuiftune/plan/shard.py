"""Full fine-tuning with weights, gradients and optimizer states sharded over GPUs (FSDP2): what it would
need.

A prediction only: this program trains a whole copy on each GPU. By PyTorch's documentation of fully_shard:
every decoder layer is a unit, gathered for its own computation while the next one is fetched; what stands
outside the layers (embedding, norm, head) stays gathered from forward to backward.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.plan import memory, search, speed, static
from tuiftune.plan.model import Sharded

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.plan.model import Memory
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.search import Candidate
    from tuiftune.plan.settings import Settings

GATHERED = 2  # layers at once: the one that computes, and the next
SHARDED = ("weights", "gradients", "optimizer")
DOUBT = 1.1  # on the bound: nothing of it was measured


def of(model: BaseModel, device: Device, best: Candidate, lengths: Lengths, effective: int) -> Sharded | None:
    """What full fine-tuning would be, sharded over all GPUs there are; None for adapters, or with one GPU."""
    settings, cards, arch = best.settings, device.count, model.architecture
    if settings.adapted or cards < 2 or device.kind != "cuda" or effective % cards:
        return None
    rows = max(d for d in search.divisors(effective // cards) if d <= settings.micro_batch)
    settings = replace(settings, micro_batch=rows, accumulation=effective // (rows * cards), copies=1)
    predicted = estimate(arch, settings, cards)
    padded = lengths.mean if settings.padding_free else lengths.padded(rows)
    step = step_seconds(arch, settings, device, padded, settings.accumulation, cards)
    fits = predicted.needs <= device.capacity
    return Sharded(cards, fits, predicted, effective * lengths.mean / step)


def estimate(arch: Architecture, settings: Settings, cards: int) -> Memory:
    """One GPU's memory, `needs` widened; the settings are those of full fine-tuning with one copy."""
    whole = memory.estimate(arch, replace(settings, copies=1))
    layer, outside = _sizes(arch, settings)
    parts = dict(whole.components)
    for name in SHARDED:
        parts[name] = -(-parts[name] // cards)
    parts["weights"] += GATHERED * layer + outside
    parts["gradients"] += layer + outside  # those of a layer before they are scattered, and of what stays
    parts["context"] += memory.EXCHANGE
    allocated = sum(size for name, size in parts.items() if name not in ("allocator", "context"))
    share = whole.reserved / whole.allocated
    parts["allocator"] = int(allocated * share) - allocated
    reserved = allocated + parts["allocator"]
    bound = (whole.needs - whole.components["context"]) / whole.allocated
    needs = int(allocated * bound * DOUBT) + parts["context"]
    return replace(
        whole,
        components=parts,
        allocated=allocated,
        reserved=reserved,
        device=reserved + parts["context"],
        needs=needs,
    )


def step_seconds(
    arch: Architecture, settings: Settings, device: Device, length: float, accumulation: int, cards: int
) -> float:
    """One optimizer step: a micro step gathers weights twice and scatters gradients, in addition to
    computing.
    """
    moved = 3.0 * static.parameters(arch) * settings.compute_bytes * (cards - 1) / cards
    computing = speed.step_seconds(arch, settings, device, length)
    update = speed.update_seconds(arch, replace(settings, copies=1), device) / cards
    return accumulation * max(computing, moved / device.exchange) + update


def _sizes(arch: Architecture, settings: Settings) -> tuple[int, int]:
    """Bytes of one layer, and of what stands outside the layers."""
    total = static.parameters(arch)
    outside = arch.vocab_size * arch.hidden_size * (1 if arch.tie_embeddings else 2) + arch.hidden_size
    each = settings.compute_bytes  # shards are cast before they are gathered (MixedPrecisionPolicy)
    return (total - outside) * each // arch.num_layers, outside * each
