"""What lies in memory through the whole run: weights, adapters, gradients, optimizer states. Bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tuiftune.models import count

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.settings import Settings

NF4_BYTES = 0.5
NF4_CONSTANTS = (
    1 / 64 + 4 / 64 / 256
)  # a uint8 a block of 64, and a float32 a 256 of these (double quantisation)
# Bytes of optimizer state a trainable parameter, beyond what is in the parameter's own dtype.
EIGHT_BIT = frozenset({"adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"})
PAGED = frozenset({"paged_adamw_8bit", "paged_adamw_32bit", "paged_adamw"})
IN_KIND_STATES = {"adamw_torch": 2, "adamw_torch_fused": 2, "sgd": 0, "adafactor": 0}


@lru_cache(maxsize=512)
def _counts(
    arch: Architecture, rank: int, targets: str | tuple[str, ...], magnitudes: bool
) -> tuple[int, int, int]:
    return (
        count.parameters(arch),
        count.quantisable_parameters(arch),
        count.adapter_parameters(arch, rank, targets, magnitudes),
    )


def parameters(arch: Architecture) -> int:
    return _counts(arch, 1, "all-linear", False)[0]


def trainable(arch: Architecture, settings: Settings) -> int:
    total, _, adapters = _counts(arch, settings.rank, settings.targets, settings.traits.magnitudes)
    if settings.adapted:
        return adapters + count.saved_parameters(arch, settings.saved)
    return total - (arch.counted.beside if arch.counted else 0)


def components(arch: Architecture, settings: Settings) -> dict[str, int]:
    """Weights, quantisation constants, adapters, gradients and optimizer, in bytes on one card."""
    total, quantisable, adapters = _counts(arch, settings.rank, settings.targets, settings.traits.magnitudes)
    adapters += count.saved_parameters(arch, settings.saved)
    quantised = quantisable if settings.quantised else 0
    weights = int((total - quantised) * settings.weight_bytes + quantised * NF4_BYTES)
    adapter_bytes = adapters * settings.adapter_bytes if settings.adapted else 0
    trained = trainable(arch, settings)
    each = settings.adapter_bytes if settings.adapted else settings.weight_bytes
    return {
        "weights": weights,
        "quantisation constants": int(quantised * NF4_CONSTANTS),
        "adapters": adapter_bytes,
        "gradients": trained * each,
        "optimizer": optimizer_bytes(arch, settings, trained, each),
    }


def optimizer_bytes(arch: Architecture, settings: Settings, trained: int, each: int) -> int:
    """States on the card. Paged states live in managed memory and leave it under pressure: none here."""
    name = settings.optimizer
    if name in PAGED:
        return int(trained * 8 / 256) if "8bit" in name else 0
    if name in EIGHT_BIT:
        # transformers keeps the states of embeddings in 32 bit (Trainer's module override of bitsandbytes).
        embedding = 0 if settings.adapted else arch.vocab_size * arch.hidden_size
        return int((trained - embedding) * (2 + 8 / 256) + embedding * 8)
    return trained * each * IN_KIND_STATES.get(name, 2)
