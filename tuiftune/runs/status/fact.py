"""One number of a run, named, in words, and why it is what it is."""

from __future__ import annotations

from dataclasses import dataclass

GROUPS = ("time", "money", "learning", "memory", "disk", "machine")


@dataclass(frozen=True, slots=True)
class Fact:
    """`level` is "" or, where it needs attention, warning or error."""

    group: str
    name: str
    value: str
    why: str
    level: str = ""
