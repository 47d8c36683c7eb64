"""The journey as one animated picture for the README: real screens, one after the other, in a single SVG.

    python screenshots/journey.py

Frames are taken from the real app as in make.py; the training shown is a recorded run, replayed by the
dashboard itself. The animation is CSS inside the SVG: it needs no script and fetches nothing.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from make import HERE, SMALL, follow, prepare, self_contained

NAME = "journey-80x24.svg"
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True, slots=True)
class Frame:
    """One screen: what is pressed to reach it from the one before, and how long it stays (seconds)."""

    keys: tuple[str | float, ...]
    stays: float = 1.6


WIZARD = (
    Frame((0.5,), 1.8),
    Frame(("n", "CPU ", 0.5), 2.0),
    Frame(("enter", "1 of 9 "), 1.2),
    Frame(("1", "1", "1"), 1.2),
    Frame(("1", "3", "3", 0.3), 2.2),
    Frame(("s", "Built-in support ", "down", "enter", "passed: ", 0.5), 2.4),
    Frame(("enter", "tokens/s predicted ", 0.5), 2.4),
    Frame(("enter", " steps, ", 0.5), 2.0),
)


async def taken(frames: tuple[Frame, ...], run: str = "") -> list[str]:
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp

    app = TuneApp(run=RunDir(Path.cwd() / "runs" / run) if run else None)
    app.draw_seconds = 0.1
    pictures = []
    async with app.run_test(size=SMALL) as pilot:
        for frame in frames:
            await follow(pilot, frame.keys)
            pictures.append(self_contained(app.export_screenshot(title="tuiftune", simplify=True)))
    return pictures


def animated(pictures: list[str], stays: list[float]) -> str:
    """One SVG that shows each picture for its time, over and over."""
    found = SIZE.search(pictures[0])
    if found is None:
        raise ValueError("the exported picture has no size")
    whole = sum(stays)
    styles, groups, began = [], [], 0.0
    for index, (picture, stay) in enumerate(zip(pictures, stays, strict=True)):
        start, end = 100 * began / whole, 100 * (began + stay) / whole
        last = index == len(pictures) - 1
        shown = f"0%{{opacity:{int(index == 0)}}}{start:.2f}%{{opacity:1}}" + (
            "" if last else f"{end:.2f}%{{opacity:0}}"
        )
        styles.append(f"@keyframes f{index}{{{shown}}}")
        groups.append(
            f'<g style="opacity:{int(index == 0)};animation:f{index} {whole:.1f}s step-end infinite">'
            f"{_body(picture)}</g>"
        )
        began += stay
    width, height = found.groups()
    return (
        f'<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        f"<style>{''.join(styles)}</style>{''.join(groups)}</svg>\n"
    )


def _body(svg: str) -> str:
    return svg[svg.index(">") + 1 : svg.rindex("</svg>")]


TRAINING = (
    Frame(("p", "replay ", "space", "home", "right", "right", 0.4), 0.8),
    *(Frame(("right", "right", 0.3), 0.5) for _ in range(8)),
    Frame(("end", 0.6), 1.6),
    Frame(("escape", 0.3, "r", "after ", 0.5), 4.0),
)


def main() -> None:
    pictures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for frames, run in ((WIZARD, ""), (TRAINING, "demo")):
            pictures += asyncio.run(taken(frames, run))
    (HERE / NAME).write_text(
        animated(pictures, [frame.stays for frame in (*WIZARD, *TRAINING)]), encoding="utf-8"
    )
    print(NAME)


if __name__ == "__main__":
    main()
