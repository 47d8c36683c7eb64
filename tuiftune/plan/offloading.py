"""Activation offloading: the inputs of recomputed layers are in RAM between forward and backward pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.figures import sizes
from tuiftune.plan.shard import HOST_LINK

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.settings import Settings

OF_FREE = 0.25  # of the free RAM, for all processes of a run: what is pinned is lost to everything else
LEAST = 1 << 20  # bytes of an input; a smaller one stays in GPU memory
THERE = 2  # inputs in GPU memory at most: of the layer that is recomputed, and of the one before


def pinned(size: int) -> int:
    """Bytes of RAM that so many take: PyTorch's allocator of pinned memory rounds up to a power of two."""
    return 1 << (size - 1).bit_length()


def layers(arch: Architecture, settings: Settings) -> int:
    """Layers that are recomputed, whose inputs are moved."""
    every = int(settings.checkpointing)
    return -(-arch.num_layers // every) if every and settings.activation_offloading else 0


def in_ram(arch: Architecture, settings: Settings) -> int:
    """Bytes of RAM for the inputs of all processes."""
    settings = settings.forward
    each = settings.tokens * arch.hidden_size * settings.weight_bytes
    return layers(arch, settings) * (pinned(each) if settings.device == "cuda" else each) * settings.copies


def has_room(arch: Architecture, settings: Settings, device: Device) -> bool:
    """Whether the RAM may hold the inputs; nobody knows of a machine that isn't here."""
    return in_ram(arch, settings) <= OF_FREE * device.ram


def refuse(arch: Architecture, settings: Settings, device: Device) -> None:
    """UserError for a preset that asks for it where not even the smallest micro-batch has room."""
    needs = in_ram(arch, replace(settings, activation_offloading=True))
    raise UserError(
        "activation offloading needs {} of RAM, and at most a quarter of the free {} is used".format(
            *sizes(needs, device.ram)
        ),
        place="training.activation_offloading",
        remedy="set it to false, or lower data.max_length or training.micro_batch",
    )


def seconds(arch: Architecture, settings: Settings, tokens: float) -> float:
    """Of all copies in one direction, while layers compute.

    The link's rate is what PCIe 4.0 x16 usually sustains, of 32 GB/s on its data sheet; an H200's, by PCIe
    5.0, moved 53 GB/s each way (benchmarks/speed).
    """
    return layers(arch, settings) * tokens * arch.hidden_size * settings.weight_bytes / HOST_LINK
