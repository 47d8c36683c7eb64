"""The attention kernel, and how rows of different lengths share a micro batch: padded, or in one sequence."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.hardware.libraries import release, torch_build
from tuiftune.plan.model import Reason

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.settings import Settings
    from tuiftune.preset.schema import Preset

VARLEN = "varlen"  # PyTorch's own kernel for rows in one sequence, which it keeps apart by their ends
APART = frozenset({VARLEN, "flash_attention_2"})  # the others need a mask of length² for it
FROM_TORCH = (2, 11)  # whose variable-length attention takes a scale and a window
LARGEST_HEAD = 256  # FlashAttention 2's head dimension
SINKS = frozenset({"gpt_oss"})  # learned logits in addition to the keys, which that kernel does not support
KEY = "model.attention"


def kernel(preset: Preset, arch: Architecture, device: Device, weight_bytes: int) -> str:
    """`model.attention` before the search: as asked, or the best kernel for rows that share a sequence."""
    asked = preset.model.attention
    if asked != "auto":
        return asked
    if not arch.kind.sdpa:
        return "eager"
    return VARLEN if _varlen(arch, device, weight_bytes) else "sdpa"


def choices(preset: Preset, base: Settings, lengths: Lengths) -> tuple[bool, ...]:
    """Values of `data.padding_free` worth a look: as asked, or both where padding would cost something."""
    if preset.data.padding_free != "auto":
        return (preset.data.padding_free,)
    joins = stages.every()[preset.method.stage].joins
    worth = joins and base.attention in APART and lengths.differ and not base.packing
    return (False, True) if worth else (False,)


def reason(preset: Preset, arch: Architecture, settings: Settings) -> Reason:
    """`model.attention`, as chosen."""
    if preset.model.attention != "auto":
        return Reason(KEY, preset.model.attention, "set in the preset", "preset")
    value = settings.attention
    if value == "eager":
        why = f"transformers does not have fused attention for {arch.kind.name or arch.family}"
        return Reason(KEY, value, why, "transformers")
    if value == VARLEN:
        why = "PyTorch's FlashAttention for several rows in one sequence: exact, without an attention mask"
        return Reason(KEY, value, why, "PyTorch")
    return Reason(KEY, value, "PyTorch's fused attention: exact, and built into PyTorch", "transformers")


def padding_reason(preset: Preset, settings: Settings, lengths: Lengths) -> Reason:
    """`data.padding_free`, as chosen."""
    key, value = "data.padding_free", settings.padding_free
    if preset.data.padding_free != "auto":
        return Reason(key, value, "set in the preset", "preset")
    if value:
        waste = 1 - lengths.mean / lengths.padded(settings.micro_batch)
        return Reason(
            key, True, f"with padding, {waste:.0%} of the tokens of each step would be padding", "data"
        )
    if settings.packing:
        return Reason(key, False, "packed sequences have no padding", "technique")
    if not (stage := stages.every()[preset.method.stage]).joins:
        return Reason(key, False, f"the sequences of {stage.does} are not joined", "technique")
    if settings.micro_batch == 1 or not lengths.differ:
        return Reason(key, False, "there is no padding: one row at a time, or all rows equally long", "data")
    why = "not available: its kernel needs a GPU, 16-bit weights and a supported model"
    return Reason(key, False, "not faster here" if settings.attention in APART else why, "technique")


def check(preset: Preset, arch: Architecture, device: Device) -> None:
    """UserError where the preset asks for a kernel that can't be had, or joins rows that see one another."""
    name, stage = arch.kind.name or arch.family, stages.every()[preset.method.stage]
    if preset.model.attention == "sdpa" and not arch.kind.sdpa:
        raise UserError(
            f"transformers does not have fused attention (sdpa) for {name}",
            place=KEY,
            remedy="use auto or eager",
        )
    for key, asked in (
        ("data.packing", preset.data.packing),
        ("data.padding_free", preset.data.padding_free),
    ):
        if asked is True and not stage.joins:
            said = f"{stage.does} takes each sequence by itself"
            raise UserError(said, place=key, remedy="false, or auto")
        if asked is True and not arch.kind.apart:
            why = (
                "rows in one sequence would attend to each other"
                if arch.kind.tested
                else "whether rows attend to each other"
            )
            said = f"in {name}, {why}" if arch.kind.tested else f"{why} in {name} is not known"
            raise UserError(said, place=key, remedy="set it to false")
    if preset.model.attention != VARLEN or _varlen(arch, device, 4 if preset.model.dtype == "float32" else 2):
        return
    raise UserError(
        "variable-length attention needs a GPU with bfloat16, 16-bit weights, a model of known shape "
        f"(heads of at most {LARGEST_HEAD}) and PyTorch {'.'.join(map(str, FROM_TORCH))}",
        place=KEY,
        remedy="set it to auto",
    )


def _varlen(arch: Architecture, device: Device, weight_bytes: int) -> bool:
    return (
        device.kind == "cuda"
        and device.bf16  # compute capability 8.0, which is what the kernel asks for
        and weight_bytes == 2
        and arch.known
        and arch.kind.sdpa
        and arch.kind.apart
        and arch.family not in SINKS
        and arch.head_dim <= LARGEST_HEAD
        and _torch_has_it()
    )


@lru_cache(maxsize=1)
def _torch_has_it() -> bool:
    build = torch_build()
    return build is not None and release(build.version) >= FROM_TORCH
