"""Sizes as people write them: `24GiB` (2³⁰ bytes each) and `24GB` (10⁹ bytes each)."""

from __future__ import annotations

import re

GIB = 1 << 30

_UNITS = {"B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGTP", start=1)
    for suffix, base in (("iB", 1024), ("B", 1000))
}
_MOST = 1 << 60  # bytes
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes in a size such as `24GiB`, `24GB` or `512 MiB`; letter case is free.

    Raises ValueError, in words for the user, for anything else: no unit, a negative or an unknown one.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a size; write a number and a unit, such as 24GiB or 80GB")
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"`{text}` has no unit; write {number}GiB or {number}GB")
    factor = {name.lower(): value for name, value in _UNITS.items()}.get(unit.lower())
    if factor is None:
        raise ValueError(f"`{unit}` is not a unit of size; use GiB (1024³ bytes) or GB (1000³ bytes)")
    if float(number) * factor > _MOST:
        raise ValueError(f"`{text[:40]}` is more than any machine has")
    return int(float(number) * factor)


def format_size(size: int) -> str:
    """Bytes as a person reads them, in binary units: `79.6 GiB`, `512 MiB`, `12 B`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return (
                f"{value:.0f} {unit}" if unit in {"B", "KiB"} or abs(value) >= 100 else f"{value:.1f} {unit}"
            )
        value /= 1024
    return f"{value:.1f} TiB" if abs(value) < 1024 else f"{value / 1024:.1f} PiB"
