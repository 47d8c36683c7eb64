"""Numbers as text, for commands, app and reports: bytes, times, counts, shares, money, plurals.

An unknown value (None) is written as `MISSING`.
"""

from __future__ import annotations

MISSING = "—"
UNITS = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}  # bytes, the largest first


def size(value: float | None) -> str:
    """Return bytes in binary units: 71.2 GiB, 512 MiB, 1.0 GiB from 1000 MiB on."""
    if value is None:
        return MISSING
    for unit, limit in UNITS.items():
        if abs(value) >= limit * 1000 / 1024:  # 1.0 GiB, not 1012 MiB: at most three digits
            amount = value / limit
            return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.1f} {unit}"
    return f"{value:.0f} B"


def sizes(*values: float | None) -> tuple[str, ...]:
    """Return bytes that are read next to one another: 0.95 GiB and 1.02 GiB, not 973 MiB and 1.0 GiB.

    Values ten or more times apart keep their own units, which are easier to read: 12.0 MiB of 22.2 GiB.
    """
    written = tuple(size(value) for value in values)
    known = [abs(value) for value in values if value]
    if len(known) < 2 or max(known) >= 10 * min(known):
        return written
    units = {size(value).rpartition(" ")[2] for value in known}
    hidden = len({*map(size, known)}) == 1 and max(known) >= 1.01 * min(known)  # 1.0 GiB and 1.0 GiB
    if len(units) < 2 and not hidden:
        return written
    unit = size(max(known)).rpartition(" ")[2]
    return tuple(f"{value / UNITS[unit]:.2f} {unit}" if value else size(value) for value in values)


def duration(seconds: float | None) -> str:
    """Return seconds in their two largest units: 45 s, 3 min 20 s, 1 h 12 min, 2 d 4 h."""
    if seconds is None:
        return MISSING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    for limit, unit, below, lower in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= limit:
            rest = whole % limit // below
            return f"{whole // limit} {unit} {rest} {lower}" if rest else f"{whole // limit} {unit}"
    return f"{whole} s"


def roughly(seconds: float | None) -> str:
    """Return a predicted time, rounded to minutes from 90 s on: 45 s, 7 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None or seconds < 90:
        return duration(seconds)
    return duration(60 * round(seconds / 60))


def count(value: float | None) -> str:
    """Return a count: 3,412 below a hundred thousand, then 120k, 1.24M, 7.62B."""
    if value is None:
        return MISSING
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            amount = value / limit
            return f"{amount:.0f}{unit}" if amount >= 100 else f"{amount:.3g}{unit}"
    return f"{value:.0f}"


def plural(number: int, noun: str, several: str = "") -> str:
    """Return a count with its noun: 1 row, 3 rows, 1,024 rows; `several` is an irregular plural."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def real(value: float | None, digits: int = 4) -> str:
    """Return a loss or a rate: 1.234, 0.0512, 2e-4."""
    if value is None:
        return MISSING
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    if value and abs(value) < 0.01:  # decimals alone would leave little of it
        return f"{value:.{digits - 1}g}"
    return f"{value:.{max(0, digits - 1 - (len(str(int(abs(value)))) - 1))}f}"


def short(value: float, digits: int = 6) -> str:
    """Return a number in so many digits, as a setting is typed: 0.0002, 2e-5."""
    return f"{value:.{digits}g}".replace("e-0", "e-")


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share of 0…1 in percent: 93%."""
    return MISSING if share is None else f"{share * 100:.{digits}f}%"


def interval(low: float, high: float) -> str:
    """Return two shares of 0…1 in percent: 60–98%."""
    return f"{low * 100:.0f}–{percent(high)}"


def money(usd: float | None) -> str:
    """Return US dollars: $0.04, $1,234; <$0.01 for less than half a cent, but not nothing."""
    if usd is None:
        return MISSING
    if 0 < usd < 0.005:
        return "<$0.01"
    return f"${usd:,.2f}" if usd < 1000 else f"${usd:,.0f}"


def ago(seconds: float | None) -> str:
    """Return how long ago, in one unit: now, 5 min, 3 h, 2 d."""
    if seconds is None:
        return MISSING
    for limit, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= limit:
            return f"{int(seconds // limit)} {unit}"
    return "now"


def gpus_named(spec: str) -> str:
    """Return `NAME[:COUNT]` as text: 2 × H100."""
    name, colon, number = spec.rpartition(":")
    return f"{number} × {name}" if colon else spec
