"""What a GPU holds and exchanges where the GPUs divide gradients and optimizer states (ZeRO-2).

By the source of DeepSpeed 0.19 (runtime/zero/stage_1_and_2.py), with the configuration that the engine gives
it: the weights are whole; of gradients and states a process keeps its part, and a copy of the weights that it
updates. Gradients are reduced in buckets in every micro step, and updated weights gathered after each step.
Nothing of it was measured on a GPU, so the bound is widened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.plan import static

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.settings import Settings

BUCKET = 50_000_000  # gradients that are reduced at once, as `engine.distributed.zero` asks for
EACH = 4  # bytes of a weight and of a gradient: both are in float32
DOUBT = 1.05  # on the bound
STATES = 8.0  # times the trained weights' bytes that an update reads and writes


def parts(whole: dict[str, int], arch: Architecture, settings: Settings) -> dict[str, int]:
    """Bytes of one GPU by component, from those of a GPU that holds all of it.

    At the step a process's gradients are there twice, as they were added up and as one block.
    """
    found, processes = dict(whole), settings.divided
    trained = static.trainable(arch, settings)
    part = -(-trained * EACH // processes)
    largest = arch.vocab_size * arch.hidden_size
    exchanged = EACH * (min(BUCKET, trained) + 2 * largest)
    found["gradients"] = part + max(part, exchanged)
    found["optimizer"] = -(-whole["optimizer"] // processes) + part
    return found


def exchange_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of a micro step in which gradients are reduced; nothing is computed meanwhile."""
    others = (settings.divided - 1) / settings.divided
    return EACH * static.trainable(arch, settings) * others / device.exchange


def update_seconds(arch: Architecture, settings: Settings, device: Device) -> float:
    """Seconds of one update of this GPU's part, and of gathering the parts of all."""
    trained = static.trainable(arch, settings) * EACH
    others = (settings.divided - 1) / settings.divided
    return trained * STATES / settings.divided / device.bandwidth + trained * others / device.exchange
