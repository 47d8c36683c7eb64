"""The signs of the app: Unicode blocks and braille, or ASCII if the terminal cannot show them.

A sign goes with every color, so that no information depends on color alone.
"""

from __future__ import annotations

import itertools
import locale
import os
import statistics
from dataclasses import dataclass

from tuiftune.terminal import ascii_asked, in_browser


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs. `bar` goes from nearly empty to full in equal parts; `spark` from low to high."""

    braille: bool
    bar: str
    track: str
    spark: str
    ok: str
    warning: str
    error: str
    info: str
    running: str
    stopped: str
    waiting: str
    to: str
    pointer: str
    done: str
    here: str
    ahead: str
    point: str
    best: str
    raw: str
    line: str
    rule: str
    marker: str
    level: str
    guide: str
    upright: str
    missing: str
    more: str
    dot: str

    def severity(self, name: str) -> str:
        """The sign of `ok`, `info`, `warning` or `error`."""
        return {"ok": self.ok, "warning": self.warning, "error": self.error}.get(name, self.info)


UNICODE = Glyphs(
    braille=True,
    bar="▏▎▍▌▋▊▉█",
    track="░",
    spark="▁▂▃▄▅▆▇█",
    ok="✓",
    warning="▲",
    error="✗",
    info="·",
    running="▶",
    stopped="■",
    waiting="◌",
    to="→",
    pointer="▸",
    done="✓",
    here="●",
    ahead="○",
    point="◆",
    best="★",
    raw="⠂",
    line="━",
    rule="─",
    marker="┃",
    level="╌",
    guide="·",
    upright="╎",
    missing="—",
    more="…",
    dot="·",
)
ASCII = Glyphs(
    braille=False,
    bar="#",
    track=".",
    spark="_.-=+*#@",
    ok="+",
    warning="!",
    error="X",
    info="-",
    running=">",
    stopped="#",
    waiting="~",
    to="->",
    pointer=">",
    done="+",
    here="*",
    ahead="o",
    point="o",
    best="*",
    raw=".",
    line="-",
    rule="-",
    marker="|",
    level="=",
    guide=".",
    upright=":",
    missing="--",
    more="...",
    dot="-",
)


def choose(environment: dict[str, str] | None = None, encoding: str | None = None) -> Glyphs:
    """The signs this terminal can show: ASCII on the bare Linux console, for a locale that is not UTF-8, or
    when it is asked for."""
    environment = dict(os.environ) if environment is None else environment
    encoding = locale.getpreferredencoding(False) if encoding is None else encoding
    bare = environment.get("TERM") == "linux" and not in_browser(environment)
    if ascii_asked(environment) or bare:
        return ASCII
    return UNICODE if encoding.lower().replace("-", "") == "utf8" else ASCII


def bar(glyphs: Glyphs, share: float, width: int) -> tuple[str, str]:
    """The filled and the empty part of a bar of `width` cells; `share` is clamped to 0…1."""
    parts = len(glyphs.bar)
    filled = round(max(0.0, min(1.0, share)) * width * parts)
    whole, rest = divmod(filled, parts)
    text = glyphs.bar[-1] * whole + (glyphs.bar[rest - 1] if rest else "")
    return text, glyphs.track * (width - len(text))


def sparkline(glyphs: Glyphs, values: list[float], width: int, floor: float | None = None) -> str:
    """The whole course in at most `width` blocks, each the value of its part that is farthest from what is
    usual: one spike or dip is seen. A flat course is drawn in the middle.

    `floor` is the value of the lowest block, where noise about a level must not look like a trend.
    """
    if not values or width < 1:
        return ""
    width = min(width, len(values))
    edges = [round(part * len(values) / width) for part in range(width + 1)]
    usual = statistics.median(values)
    seen = [max(values[a:b], key=lambda value: abs(value - usual)) for a, b in itertools.pairwise(edges)]
    low, high = min(seen), max(seen)
    low = low if floor is None else min(low, floor)
    span = high - low
    last = len(glyphs.spark) - 1
    return "".join(
        glyphs.spark[last // 2 if span <= 0 else round((value - low) / span * last)] for value in seen
    )
