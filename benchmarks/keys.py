"""What every key of every screen costs the event loop, while a run's data streams in.

    python benchmarks/keys.py [--size 120x40] [--repeat 3] [--above 10] [--opening]

The app runs in this very process, without a terminal. For each key, as processor time of the event loop's
callbacks from the press on (what a key costs, whatever else the machine does): until something is painted for
it, until the last painting within 0.4 seconds (then all of it stands; a drawing of new data in between counts
too), and the longest single stretch the loop was held up (what another key would have to wait); and the bytes
that a terminal would be sent. Keys come from the table (`tuiftune.tui.keys.table`) and from the screen's own
bindings, with `--opening` only those that open a screen; each is pressed on a screen that was just opened.
The first press pays what is imported on first use, so it is given beside the median of the later ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from asyncio import events
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import Feed, make_run
from textual.app import App
from textual.events import Key

from tuiftune.runs.log.writer import EventWriter
from tuiftune.tui.app import TuneApp
from tuiftune.tui.keys.actions import actions
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit.idle_collector import Collector
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROWS = 5_000
RUNS = 30
SETTLED = 0.4  # seconds
CHARACTERS = {"question_mark": "?", "plus": "+", "minus": "-", "slash": "/", "space": " "}
OPENING = {
    *(("home", key) for key in ("question_mark", "ctrl+p", "enter", "v", "n", "p", "m")),
    *(("data", f"ctrl+{key}") for key in "gtlrysop"),
    *(("model", key) for key in ("w", "a", "g", "enter")),
    *(("dashboard", key) for key in ("v", "w", "question_mark", "s", "p", "a")),
    *(("goal", key) for key in "vts"),
    *(("data", "f1"), ("data", "enter"), ("result", "question_mark"), ("checks", "enter")),
}
LEFT_OUT = {
    "ctrl+c",  # leave the app, or stop this process, or write files
    "ctrl+q",
    "ctrl+z",
    "f4",
}
STARTS = {("home", "d"), ("review", "s"), ("review", "ctrl+s"), ("review", "ctrl+n"), ("review", "enter")}
AWAY = {("home", "q"), ("dashboard", "q"), ("result", "q"), ("home", "x"), ("home", "delete")}


@dataclass
class Watch:
    """Times every callback of the loop, and notes when something was painted."""

    longest: float = 0.0
    spent: float = 0.0
    began: float = 0.0
    painted: float | None = None
    stands: float = 0.0
    sent: int = 0

    def reset(self) -> None:
        self.longest = self.spent = self.stands = 0.0
        self.painted, self.sent = None, 0

    def install(self) -> None:
        run, display = events.Handle._run, App._display

        def timed(handle: Any) -> None:
            self.began = time.thread_time()
            run(handle)
            took = time.thread_time() - self.began
            self.longest, self.spent = max(self.longest, took), self.spent + took

        def noted(app: Any, screen: Any, renderable: Any) -> None:
            display(app, screen, renderable)
            if renderable is not None and not app._batch_count:
                self.sent += len(renderable.render_segments(app.console).encode())
                self.stands = self.spent + time.thread_time() - self.began
                self.painted = self.stands if self.painted is None else self.painted

        events.Handle._run = timed  # type: ignore[method-assign]
        App._display = noted  # type: ignore[method-assign,assignment]


WATCH = Watch()


@dataclass
class Cost:
    screen: str
    key: str
    painted: list[float] = field(default_factory=list)
    stands: list[float] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def note(self, watch: Watch) -> None:
        self.painted.append(watch.painted or 0.0)
        self.stands.append(watch.stands)
        self.longest.append(watch.longest)
        self.sent.append(watch.sent)

    def line(self) -> str:
        painted, stands, stall = (each[1:] or each for each in (self.painted, self.stands, self.longest))
        return (
            f"{self.screen:<14}{self.key:<15}{statistics.median(painted) * 1e3:9.1f}"
            f"{statistics.median(stands) * 1e3:8.1f}{max(stands) * 1e3:8.1f}{max(stall) * 1e3:9.1f}"
            f"{statistics.median(self.sent) / 1e3:8.1f}"
            f"{self.painted[0] * 1e3:10.1f}{self.stands[0] * 1e3:8.1f}{self.longest[0] * 1e3:9.1f}"
        )

    @property
    def worst(self) -> float:
        return max(self.longest[1:] or self.longest)


def write_rows(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for n in range(ROWS):
            row = {
                "prompt": f"Ticket {n}: where is order {n * 7919 % 100_000}, it was due {n % 28} days ago?",
                "completion": f"It is on its way since {n % 28} days; " * (1 + n % 9),
            }
            file.write(json.dumps(row) + "\n")


def write_runs(root: Path) -> None:
    for number in range(RUNS):
        run = make_run(root, f"run-{number:02}")
        run.pid_path.unlink()
        writer = EventWriter(run.events_path)
        writer.emit("start", run=run.name, model="acme/model-8b", technique="lora", total_steps=100)
        for step in range(1, 101):
            writer.emit("step", step=step, loss=2 / step, lr=1e-4, grad_norm=1.0, tokens=step * 100)
        writer.emit("end", state="done", exit_code=0, why="")
        writer.close()
        result = {"before": {"loss": 2.0, "exact_match": 0.1}, "after": {"loss": 1.0, "exact_match": 0.8}}
        samples = [{"prompt": "p" * 80, "reference": "r", "before": "b", "after": "r"}] * 20
        (run.result_path / "result.json").write_text(json.dumps({**result, "samples": samples, "steps": 100}))


async def until(pilot: Any, condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waiting on {pilot.app.screen}")
        await pilot.pause(0.02)


def shows(pilot: Any, name: str) -> bool:
    return type(pilot.app.screen).__name__ == name


async def at_rest(pilot: Any) -> None:
    """Until nothing is checked in the background of the data step any more."""
    for screen in pilot.app.screen_stack:
        await until(
            pilot, lambda screen=screen: not any(w.group == "data" and w.is_running for w in screen.workers)
        )
    await pilot.pause(0.2)


async def home(pilot: Any) -> None:
    while not shows(pilot, "Home"):
        pilot.app.pop_screen()
        await pilot.pause()
    await pilot.pause(0.1)


async def dashboard(pilot: Any) -> None:
    from tuiftune.runs.store.directory import RunDir

    pilot.app.open_run(RunDir(Path("runs/live")))
    await until(pilot, lambda: shows(pilot, "Dashboard") and pilot.app.screen.state.step > 3000)


async def result(pilot: Any) -> None:
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.dashboard.result import ResultScreen

    pilot.app.push_screen(ResultScreen(RunDir(Path("runs/run-03"))))
    await until(pilot, lambda: shows(pilot, "ResultScreen"))
    await pilot.pause(0.2)


def step(key: str, name: str, ready: Callable[[Any], object]) -> Callable[[Any], Awaitable[None]]:
    async def reach(pilot: Any) -> None:
        pilot.app.draft = Draft(data=("rows.jsonl",), model="Qwen/Qwen2.5-7B-Instruct", name="tone")
        pilot.app.open(key)
        await until(pilot, lambda: shows(pilot, name) and ready(pilot.app.screen))
        await pilot.pause(0.1)

    return reach


def above(
    below: Callable[[Any], Awaitable[None]], keys: tuple[str, ...], name: str
) -> Callable[[Any], Awaitable[None]]:
    async def reach(pilot: Any) -> None:
        await below(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: shows(pilot, name))
        await pilot.pause(0.3)

    return reach


machine = step("machine", "MachineStep", lambda screen: not any(w.is_running for w in screen.workers))
goal = step("goal", "GoalStep", lambda screen: True)
data = step("data", "DataStep", lambda screen: screen._ready)
model = step("model", "ModelStep", lambda screen: screen.plan is not None)
review = step("review", "ReviewStep", lambda screen: screen._preset is not None)

SCREENS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "home": home,
    "dashboard": dashboard,
    "result": result,
    "machine": machine,
    "goal": goal,
    "weighing": above(goal, ("1", "2", "1", "v"), "Weighing"),
    "data": data,
    "checks": above(data, ("ctrl+g",), "Checks"),
    "files": above(data, ("ctrl+t",), "Files"),
    "cut": above(data, ("ctrl+l",), "Cut"),
    "repair": above(data, ("ctrl+r",), "Repair"),
    "model": model,
    "settings": above(model, ("tab", "down"), "ModelStep"),
    "reasons": above(model, ("w",), "Reasons"),
    "alternatives": above(model, ("a",), "Alternatives"),
    "review": review,
    "presets": above(home, ("p",), "Presets"),
    "help": above(home, ("question_mark",), "Help"),
    "palette": above(home, ("ctrl+p",), "Palette"),
}
TYPED = {"data": "rows.jsonl", "review": "ab", "model": "", "palette": "new", "home": ""}


def keys_of(name: str, screen: Any) -> list[str]:
    """Every key that does something here: of the table, of the screen's own bindings, and those of lists."""
    found = [key for one in actions(*getattr(screen, "SCOPES", ()), APP) for key in one.keys.split(",")]
    found += list(screen._bindings.key_to_bindings)
    found += ["up", "down", "left", "right", "tab", "enter", "pagedown", "escape", *TYPED.get(name, "")]
    unwanted = LEFT_OUT | {key for screen_name, key in STARTS | AWAY if screen_name == name}
    return [key for key in dict.fromkeys(found) if key not in unwanted]


async def press(pilot: Any, cost: Cost) -> None:
    WATCH.reset()
    pilot.app.post_message(Key(cost.key, CHARACTERS.get(cost.key, cost.key if len(cost.key) == 1 else None)))
    await asyncio.sleep(SETTLED)
    cost.note(WATCH)


async def measure(size: tuple[int, int], repeat: int, only: list[str], opening: bool) -> list[Cost]:
    with Collector() as collector:
        app = TuneApp(collector=collector)
        app.draw_seconds = 1.0
        return await walk(app, size, repeat, only, opening)


async def walk(
    app: TuneApp, size: tuple[int, int], repeat: int, only: list[str], opening: bool
) -> list[Cost]:
    costs: list[Cost] = []
    async with app.run_test(size=size) as pilot:
        for name, reach in SCREENS.items():
            if only and name not in only:
                continue
            try:
                await home(pilot)
                await reach(pilot)
            except TimeoutError as fault:
                print(f"{name}: not reached ({fault})")
                continue
            for key in keys_of(name, pilot.app.screen):
                if opening and (name, key) not in OPENING:
                    continue
                cost = Cost(name, key)
                for _ in range(repeat):
                    await home(pilot)
                    await reach(pilot)
                    await at_rest(pilot)
                    await press(pilot, cost)
                costs.append(cost)
                print(cost.line(), file=sys.stderr, flush=True)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--above", type=float, default=10.0, help="list keys whose longest stretch is above, ms"
    )
    parser.add_argument("--opening", action="store_true", help="only keys that open a screen")
    parser.add_argument("--screen", action="append", default=[], help="this screen only; may be repeated")
    given = parser.parse_args()
    width, height = (int(part) for part in given.size.split("x"))
    WATCH.install()
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "XDG_STATE_HOME": f"{folder}/state",
            "HF_HOME": f"{folder}/hf",
            "TERM": "xterm-256color",
        }
        os.chdir(folder)
        write_rows(Path("rows.jsonl"))
        write_runs(Path("runs"))
        with Feed(make_run(Path("runs"), "live"), 8):
            costs = asyncio.run(measure((width, height), given.repeat, given.screen, given.opening))
        os.chdir(here)
    print(
        f"{'screen':<14}{'key':<15}{'painted':>9}{'stands':>8}{'worst':>8}{'stretch':>9}{'KB':>8}"
        f"{'first: p.':>10}{'stands':>8}{'stretch':>9}   ms"
    )
    listed = sorted(costs, key=lambda cost: -cost.worst)
    for cost in listed:
        if cost.worst * 1e3 >= given.above:
            print(cost.line())
    painted, stands = (
        [statistics.median(times[1:] or times) * 1e3 for times in (getattr(cost, kind) for cost in costs)]
        for kind in ("painted", "stands")
    )
    print(
        f"{len(costs)} keys on {len({cost.screen for cost in costs})} screens at {width}×{height}, medians "
        f"of each: painted in {statistics.median(painted):.1f} ms (most {max(painted):.1f}), all standing in "
        f"{statistics.median(stands):.1f} ms (most {max(stands):.1f}) of the loop's processor time; longest "
        f"stretch {max(cost.worst for cost in costs) * 1e3:.1f} ms"
    )
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
