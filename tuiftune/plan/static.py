"""What is in memory during the whole run: weights, adapters, gradients, optimizer states. Bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.models import count

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.settings import Settings

NF4_BYTES = 0.5
NF4_CONSTANTS = (
    1 / 64 + 4 / 64 / 256
)  # a uint8 per block of 64, and a float32 per 256 of these (double quantization)
SCALE_BYTES = 4  # of a row of FP8 weights
NF4_BLOCK = 64  # weights with one scale; a row whose products are to run in FP8 has whole blocks
NF4_SHARED = 256 * NF4_BLOCK  # weights whose blocks' maxima share a scale
FP8_TABLE = 16 + 256 + 1  # numbers of a layer that don't grow with it, where it multiplies in FP8
FP8_MULTIPLE = 16  # that both sizes of a layer in FP8 have to be of (`torch._scaled_mm`)
# Optimizers whose states have 8 bits per value, and those whose states may move to RAM.
EIGHT_BIT = frozenset({"adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"})
PAGED = frozenset({"paged_adamw_8bit", "paged_adamw_32bit", "paged_adamw"})
IN_KIND_STATES = {"adamw_torch": 2, "adamw_torch_fused": 2, "sgd": 0, "adafactor": 0}


@lru_cache(maxsize=512)
def _counts(
    arch: Architecture, rank: int, targets: str | tuple[str, ...], magnitudes: bool
) -> tuple[int, int, int]:
    return (
        count.parameters(arch),
        count.quantizable_parameters(arch),
        count.adapter_parameters(arch, rank, targets, magnitudes),
    )


def parameters(arch: Architecture) -> int:
    return _counts(arch, 1, "all-linear", False)[0]


@lru_cache(maxsize=512)
def _own(arch: Architecture, technique: str, options: tuple[tuple[str, Any], ...]) -> int:
    return count.trained_by(arch, techniques.every()[technique], dict(options))


def trainable(arch: Architecture, settings: Settings) -> int:
    if settings.traits.counts:
        return _own(arch, settings.technique, settings.options)
    total, _, adapters = _counts(arch, settings.rank, settings.targets, settings.traits.magnitudes)
    if settings.adapted:
        return adapters + count.saved_parameters(arch, settings.saved)
    return total - (arch.counted.beside if arch.counted else 0)


def components(arch: Architecture, settings: Settings) -> dict[str, int]:
    """Return bytes per GPU of weights, quantization constants, adapters, gradients and optimizer."""
    total, quantizable, _ = _counts(arch, settings.rank, settings.targets, settings.traits.magnitudes)
    if settings.scores and not arch.tie_embeddings:  # the head that writes is not loaded
        total -= arch.vocab_size * arch.hidden_size
    packed, constants = _quantized(arch, settings, quantizable)
    weights = int((total - packed.parameters) * settings.weight_bytes + packed.bytes)
    trained = trainable(arch, settings)
    adapter_bytes = trained * settings.adapter_bytes if settings.adapted else 0
    each = settings.adapter_bytes if settings.adapted else settings.weight_bytes
    held = {}
    if settings.teacher is not None:  # in the precision that products run in
        held = {"teacher": parameters(settings.teacher) * settings.compute_bytes}
    return {
        "weights": weights,
        "quantisation constants": constants,  # words: ok (a key of plan --json)
        **held,
        "adapters": adapter_bytes,
        "gradients": trained * each,
        "optimizer": optimizer_bytes(arch, settings, trained, each),
    }


@dataclass(frozen=True, slots=True)
class Packed:
    """Weights that are held quantized, and the bytes they take without their constants."""

    parameters: int
    bytes: float


def _quantized(arch: Architecture, settings: Settings, quantizable: int) -> tuple[Packed, int]:
    """What is quantized, and the bytes of its constants."""
    if settings.four_bit:
        constants = int(quantizable * NF4_CONSTANTS)
        return Packed(quantizable, quantizable * NF4_BYTES), constants + _tables(arch, settings)
    if not settings.fp8:
        return Packed(0, 0), 0
    shapes = fp8_shapes(arch)
    held = sum(into * out * many for into, out, many in shapes)
    return Packed(held, held), sum(out * many for _, out, many in shapes) * SCALE_BYTES


def _tables(arch: Architecture, settings: Settings) -> int:
    """Bytes of what layers in NF4 keep to multiply in FP8 (`engine/model/nf4_in_fp8.py`)."""
    if not settings.fp8_compute:
        return 0
    return sum(
        (FP8_TABLE + into * out // NF4_SHARED + 2 * out) * SCALE_BYTES * many
        for into, out, many in fp8_shapes(arch, nf4=True)
    )


def fp8_shapes(arch: Architecture, *, nf4: bool = False) -> list[tuple[int, int, int]]:
    """The layers that FP8 can hold, or multiply where they are held in NF4: (in, out, how many). The others
    stay in 16 bit.
    """
    multiple = NF4_BLOCK if nf4 else FP8_MULTIPLE
    return [
        (into, out, many)
        for _, into, out, many in count.linear_shapes(arch)
        if into % multiple == 0 and out % FP8_MULTIPLE == 0
    ]


def optimizer_bytes(arch: Architecture, settings: Settings, trained: int, each: int) -> int:
    """States on the GPU. Paged states live in managed memory and leave it under pressure: none here."""
    name = settings.optimizer
    if name in PAGED:
        return int(trained * 8 / 256) if "8bit" in name else 0
    if name in EIGHT_BIT:
        # transformers keeps the states of embeddings in 32 bit (Trainer's module override of bitsandbytes).
        embedding = 0 if settings.adapted else arch.vocab_size * arch.hidden_size
        return int((trained - embedding) * (2 + 8 / 256) + embedding * 8)
    return trained * each * IN_KIND_STATES.get(name, 2)
