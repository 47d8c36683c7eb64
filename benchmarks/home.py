"""The home screen with many runs: until all are listed, the processor time of looking again, and of keys.

    python benchmarks/home.py [--runs 500]

Runs are copies of the recorded one in the package. Processor time of this process, in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tuiftune import assets
from tuiftune.runs.state.summary import Summaries
from tuiftune.runs.store.find import all_runs
from tuiftune.tui.app import TuneApp
from tuiftune.tui.home.run_list import RunList

KEYS = ("j", "k", "pagedown", "o", "space", "slash", "1", "escape")


def looking(root: Path) -> tuple[float, float]:
    """Processor seconds of reading every run for the first time, and again."""
    summaries = Summaries()
    taken = []
    for _ in range(4):
        start = time.process_time()
        for run in all_runs(root):
            summaries.of(run)
        taken.append(time.process_time() - start)
    return taken[0], statistics.median(taken[1:])


async def screen(runs: int) -> tuple[float, float, dict[str, float]]:
    """Seconds of processor time until the first runs and until all are listed, and of each key."""
    app = TuneApp()
    start = time.process_time()
    async with app.run_test(size=(120, 40)) as pilot:
        table = app.screen.query_one(RunList)

        async def known(number: int) -> float:
            while len(table.all) < number:
                await pilot.pause(0.01)
            return time.process_time() - start

        first, listed = await known(1), await known(runs)
        return first, listed, {key: await _press(pilot, key) for key in KEYS}


async def _press(pilot: Any, key: str) -> float:
    start = time.process_time()
    await pilot.press(key)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        for number in range(runs):
            shutil.copytree(assets.RECORDED, root / f"run-{number:04d}")
        os.environ.update(XDG_STATE_HOME=f"{folder}/state", TUIFTUNE_RUNS=str(root), TERM="xterm-256color")
        cold, warm = looking(root)
        first, listed, keys = asyncio.run(screen(runs))
    print(f"{runs} runs read: first {cold:.2f} s, again {warm:.3f} s")
    print(f"on the screen: the first after {first:.2f} s, all after {listed:.2f} s")
    for key, seconds in keys.items():
        print(f"  {key:<9} {seconds * 1000:.0f} ms")


if __name__ == "__main__":
    main()
