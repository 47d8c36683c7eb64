"""Pictures of the app for the README, from the real app over real recorded runs.

    python screenshots/make.py [--only NAME…]

The runs are those in tests/fixtures, recorded on the machines they name. Each picture is an SVG of 80×24 or
120×40 cells, written beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.pilot import Pilot

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures"
CELL = 12.2  # units a cell in the exported SVG
INDENTED = re.compile(r'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>((?:&#160;)+)')
SMALL, LARGE = (80, 24), (120, 40)


@dataclass(frozen=True, slots=True)
class Picture:
    """`keys` are pressed in order; a number is a pause in seconds, a text with a blank is waited for."""

    name: str
    size: tuple[int, int]
    run: str = ""
    wizard: bool = False
    keys: tuple[str | float, ...] = ()


TO_DATA: tuple[str | float, ...] = (0.5, "enter", "s", "Built-in support ", "down", "enter", "passed: ")
TO_MODEL: tuple[str | float, ...] = (*TO_DATA, "enter", "tokens/s predicted ")
PICTURES = (
    Picture("home", SMALL, keys=("runs on this machine ", 1.0)),
    Picture("machine", SMALL, wizard=True, keys=("CPU ", 1.0)),
    Picture("goal", SMALL, wizard=True, keys=(0.5, "enter", "1", "1", "1", "1", "3", "3", 0.3)),
    Picture("data", SMALL, wizard=True, keys=TO_DATA),
    Picture("model", SMALL, wizard=True, keys=TO_MODEL),
    Picture("review", SMALL, wizard=True, keys=(*TO_MODEL, "enter", " steps, ", 0.5)),
    Picture("dashboard", SMALL, run="demo"),
    Picture("dashboard-large", LARGE, run="demo"),
    Picture("dashboard-h200", LARGE, run="h200-lora"),
    Picture("charts", LARGE, run="h200-lora", keys=("v", 0.5, "g", 0.5)),
    Picture("charts-cursor", SMALL, run="demo", keys=("v", 0.5, "y", "b", 0.5)),
    Picture("compare", SMALL, keys=("runs on this machine ", 1.0, "space", "space", "m", "Outcome ")),
    Picture("dashboard-light", LARGE, run="demo", keys=("f3", 0.5)),
    Picture("result", LARGE, run="demo", keys=("r", 0.5)),
)


def prepare(folder: Path) -> None:
    """A home of its own with the recorded runs, newest last as they were recorded."""
    for source in sorted(FIXTURES.glob("*/events.jsonl")):
        shutil.copytree(source.parent, folder / "runs" / source.parent.name)
    os.chdir(folder)
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", XDG_STATE_HOME=str(folder / "state"))
    os.environ.update(HF_HOME=str(folder / "hf"), TUIFTUNE_RUNS=str(folder / "runs"))
    # The command is shown as somebody sees it whose PATH has it.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in ("NO_COLOR", "TUIFTUNE_ASCII", "SSH_CONNECTION"):
        os.environ.pop(name, None)


async def follow(pilot: Pilot[Any], keys: tuple[str | float, ...]) -> None:
    for key in keys:
        if isinstance(key, float):
            await pilot.pause(key)
        elif key.endswith(" ") or key.startswith(" "):
            for _ in range(200):
                if key.strip() in screen_text(pilot):
                    break
                await pilot.pause(0.1)
            else:
                raise TimeoutError(f"{key!r} was not shown")
        else:
            await pilot.press(key)
            await pilot.pause(0.1)
    await pilot.pause(0.3)


def screen_text(pilot: Pilot[Any]) -> str:
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


async def take(picture: Picture) -> str:
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp

    run = RunDir(Path.cwd() / "runs" / picture.run) if picture.run else None
    app = TuneApp(run=run, wizard=picture.wizard)
    app.draw_seconds = 0.1
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause(1.0)
        await follow(pilot, picture.keys)
        return self_contained(app.export_screenshot(title="tuiftune", simplify=True))


def self_contained(svg: str) -> str:
    """Without the web font that the exporter refers to: nothing is fetched when the picture is looked at."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, 'DejaVu Sans Mono', monospace")
    svg = svg.replace("font-family: arial", "font-family: sans-serif")
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    return INDENTED.sub(_moved, svg)


def _moved(match: re.Match[str]) -> str:
    """Leading blanks as a shift to the right: some viewers trim them."""
    head, x, middle, length, tail, blanks = match.groups()
    shift = blanks.count(";") * CELL
    return f'{head}x="{float(x) + shift:g}"{middle}textLength="{float(length) - shift:g}"{tail}>'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures; all without it")
    wanted = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for picture in PICTURES:
            if wanted and picture.name not in wanted:
                continue
            if picture.run and not (Path("runs") / picture.run).is_dir():
                raise SystemExit(f"{picture.name}: there is no recorded run {picture.run} in {FIXTURES}")
            path = HERE / f"{picture.name}-{picture.size[0]}x{picture.size[1]}.svg"
            path.write_text(asyncio.run(take(picture)), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
