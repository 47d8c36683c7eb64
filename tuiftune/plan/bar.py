"""The memory bar: components as colored segments of one GPU's memory, the same in every view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.plan.model import Memory

# Keys of a plan's memory components that are shown under another name
LABELS = {
    "quantisation constants": "quantization constants",  # words: ok (a key of plan --json)
    "activations kept": "saved activations",
    "activations peak": "peak activations",
    "generation": "sampling answers",
    "margin": "safety margin",
}
# name → (color, sign drawn without color)
LOOKS: dict[str, tuple[str, str]] = {
    "weights": ("blue", "W"),
    "quantisation constants": ("bright_blue", "q"),  # words: ok (a key of plan --json)
    "teacher": ("bright_cyan", "T"),
    "adapters": ("cyan", "A"),
    "gradients": ("magenta", "G"),
    "optimizer": ("bright_magenta", "O"),
    "activations kept": ("green", "K"),
    "activations peak": ("bright_green", "P"),
    "head and loss": ("yellow", "H"),
    "kernel scratch": ("bright_yellow", "S"),
    "generation": ("bright_red", "R"),
    "allocator": ("bright_black", "a"),
    "context": ("white", "c"),
    "margin": ("red", "m"),
    "free": ("black", "·"),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the bar. `share` is of the whole bar (0–1); all shares add up to 1."""

    name: str
    bytes: int
    share: float
    color: str
    sign: str

    @property
    def label(self) -> str:
        """The name to show."""
        return LABELS.get(self.name, self.name)


def segments(memory: Memory, capacity: int) -> list[Segment]:
    """Return components in a fixed order, the safety margin up to `needs`, and what is free of `capacity`
    bytes.
    """
    parts = {name: memory.components.get(name, 0) for name in LOOKS}
    parts["margin"] = max(0, memory.needs - memory.device)
    parts["free"] = max(0, capacity - memory.needs)
    whole = max(1, sum(parts.values()))
    return [Segment(name, size, size / whole, *LOOKS[name]) for name, size in parts.items() if size > 0]


def cells(parts: list[Segment], width: int) -> list[tuple[Segment, int]]:
    """Whole cells for each segment, together exactly `width`: largest remainders first."""
    exact = [part.share * width for part in parts]
    counts = [int(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda i: exact[i] - counts[i], reverse=True)
    for i in order[: width - sum(counts)]:
        counts[i] += 1
    return [(part, number) for part, number in zip(parts, counts, strict=True) if number]
