"""The plan: a preset resolved on a machine, with a reason for every number. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuiftune.plan.rates import UsualRate
    from tuiftune.preset.schema import Preset


# How a plan's note on the price begins, now and in earlier versions.
PRICE_NOTES = ("Cost uses ", "price: ")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a key of the resolved preset has its value. `source` names it in short, see `tuiftune.sources`."""

    key: str  # dotted, e.g. "method.rank"
    value: Any
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Predicted bytes on one GPU; `needs` is the upper bound that decides whether it fits.

    `components` without `allocator` and `context` add up to `allocated`; with them, to `device`.
    """

    components: dict[str, int]
    allocated: int
    reserved: int
    device: int
    needs: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """An alternative plan for the same preset: dotted keys that differ, memory and speed."""

    changes: dict[str, Any]
    says: str  # "activation checkpointing off: +34.0 GiB, 1.40× faster"
    fits: bool
    needs: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Larger:
    """The next larger micro-batch size: faster, but its bound does not fit; a preflight check may try it."""

    micro_batch: int
    needs: int  # bytes
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Sharded:
    """Full fine-tuning where all GPUs share one model (FSDP2), next to a plan that does without."""

    cards: int  # words: ok (a key of plan.json)
    fits: bool
    memory: Memory  # of each GPU
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Speed:
    tokens_per_second: float | None
    basis: str  # how it was predicted


@dataclass(frozen=True, slots=True)
class Plan:
    resolved: Preset
    fits: bool
    gpu: dict[str, Any]  # name, memory_total, count, source ("detected", "--gpu"); name "cpu" without a GPU
    memory: Memory
    reasons: tuple[Reason, ...]
    alternatives: tuple[Alternative, ...]
    speed: Speed
    steps: int
    tokens: int
    seconds: float | None
    usd: float | None
    usd_per_hour: float | None
    near_limit: bool = False  # it fits, with less than 2% of the memory free
    larger: Larger | None = None
    sharded: Sharded | None = None
    usual_rate: UsualRate | None = None  # what `auto` gives, also if the preset sets a learning rate
    without: tuple[str, ...] = ()  # planned without them: "data", "weights"
    notes: tuple[str, ...] = field(default=())  # what was assumed or left out, in words
