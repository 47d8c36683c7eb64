"""What the app costs: first paint, bytes a second and processor of a dashboard, keys, opening a long run.

    python benchmarks/app.py [--seconds 20] [--size 120x40] [--gpus 8] [--long 1000000]

Everything is measured from outside, in a pseudo-terminal: what leaves the process is what a line would carry.
The dashboard is fed five steps and one reading of the GPUs a second, as over SSH (one draw a second).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import pexpect
import psutil
import pyte

from tuiftune.runs.log import stretch
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter, serialize
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.process import identify

STEPS_A_SECOND = 5
TOTAL = 20_000


def make_run(root: Path, name: str) -> RunDir:
    """A run directory whose engine is this very process, so that it counts as running."""
    path = root / name
    for part in ("control", "checkpoints", "result"):
        (path / part).mkdir(parents=True)
    (path / "plan.json").write_text(json.dumps({"resolved": {}, "time": {"steps": TOTAL}}))
    identity = identify(os.getpid(), 0)
    assert identity is not None
    run = RunDir(path)
    run.pid_path.write_text(identity.dump())
    return run


def step_payload(step: int) -> dict[str, object]:
    noise = random.gauss(0, 0.05)
    return {
        "step": step,
        "loss": 2 * math.exp(-step / 4000) + 0.5 + noise,
        "lr": 2e-4 * 0.5 * (1 + math.cos(math.pi * step / TOTAL)),
        "grad_norm": abs(random.gauss(0.9, 0.1)),
        "tokens": step * 8192,
        "tokens_per_second": random.gauss(34_000, 300),
        "epoch": step / 7000,
    }


def gpus(number: int) -> list[dict[str, object]]:
    return [
        {
            "index": index,
            "name": "NVIDIA H200",
            "utilisation": random.randint(90, 99),
            "memory_used": random.randint(70, 72) << 30,
            "memory_total": 141 << 30,
            "power_w": random.gauss(620, 9),
            "temperature_c": random.randint(59, 63),
            "throttle": [],
        }
        for index in range(number)
    ]


class Feed:
    """Writes events as an engine would, from a thread."""

    def __init__(self, run: RunDir, number: int) -> None:
        self._writer = EventWriter(run.events_path)
        self._number = number
        self._stop = threading.Event()
        self._writer.emit(
            "start",
            run=run.name,
            model="acme/model-8b",
            technique="lora",
            device="NVIDIA H200",
            total_steps=TOTAL,
        )
        self._writer.emit("phase", name="training", detail="", done=None, total=None)
        for step in range(1, 3001):
            self._writer.emit("step", **step_payload(step))
        self._thread = threading.Thread(target=self._go, daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._writer.close()

    def _go(self) -> None:
        step = 3001
        while not self._stop.wait(1 / STEPS_A_SECOND):
            self._writer.emit("step", **step_payload(step))
            if step % STEPS_A_SECOND == 0:
                self._writer.emit(
                    "gpu",
                    gpus=gpus(self._number),
                    cpu=random.gauss(40, 3),
                    host_memory_used=random.randint(90, 92) << 30,
                    host_memory_total=512 << 30,
                    disk_free=900 << 30,
                )
            if step % 100 == 0:
                self._writer.emit("eval", step=step, loss=1.2, perplexity=3.3, when="during")
            step += 1


class Screen:
    """A pseudo-terminal that reads what the app draws and counts it."""

    def __init__(self, arguments: list[str], size: tuple[int, int], home: Path) -> None:
        self.pyte = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.pyte)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment |= {"XDG_STATE_HOME": str(home / "state"), "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
        environment.pop("NO_COLOR", None)
        self.began = time.perf_counter()
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "tuiftune", *arguments],
            dimensions=(size[1], size[0]),
            cwd=str(home),
            env=environment,
            timeout=60,
        )
        self.child.delaybeforesend = None
        self.bytes = 0

    def read(self, seconds: float) -> None:
        """Take in what comes for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._take(left)

    def _take(self, timeout: float) -> bool:
        try:
            data = self.child.read_nonblocking(65536, timeout=timeout)
        except pexpect.TIMEOUT:
            return False
        self.bytes += len(data)
        self._stream.feed(data)
        return True

    def wait_for(self, text: str, seconds: float = 60.0) -> float:
        """Seconds from the start of the process until the text stands on the screen."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self._take(0.02)
            if any(text in line for line in self.pyte.display):
                return time.perf_counter() - self.began
        raise TimeoutError(f"{text!r} was not drawn within {seconds} s:\n" + "\n".join(self.pyte.display))

    def answer(self, key: str) -> float:
        """Seconds from a key to the first byte drawn for it; the screen is still when it is pressed."""
        while self._take(0.15):
            pass
        pressed = time.perf_counter()
        self.child.send(key)
        self._take(2.0)
        return time.perf_counter() - pressed

    def close(self) -> None:
        self.child.close(force=True)


def measure_first_paint(home: Path, times: int) -> list[tuple[float, float]]:
    """(seconds, processor seconds) until the home screen stands."""
    found = []
    for attempt in range(times + 1):
        screen = Screen([], (80, 24), home)
        taken = screen.wait_for("welcome")
        spent = psutil.Process(screen.child.pid).cpu_times()
        found.append((taken, spent.user + spent.system))
        screen.close()
        if attempt == 0:
            found.clear()  # warms the file cache
    return found


def measure_dashboard(
    home: Path,
    size: tuple[int, int],
    number: int,
    seconds: float,
    before: tuple[str, ...] = (),
    keys: tuple[str, ...] = ("c", "\t", "z", "z", "c", "c", "c", "\t"),
) -> dict[str, float]:
    """`before` are pressed first, to come to the screen that is measured; `keys` are timed."""
    run = make_run(home / "runs", "live")
    with Feed(run, number):
        screen = Screen(["watch", "live"], size, home)
        screen.wait_for("step 3,")
        for key in before:
            screen.child.send(key)
            screen.read(1)
        screen.read(3)
        process = psutil.Process(screen.child.pid)
        start, drawn, began = process.cpu_times(), screen.bytes, time.perf_counter()
        screen.read(seconds)
        after, passed = process.cpu_times(), time.perf_counter() - began
        used = after.user + after.system - start.user - start.system
        drawn_bytes = screen.bytes - drawn
        answers = [screen.answer(key) for key in keys]
        screen.close()
    return {
        "kilobytes_per_second": drawn_bytes / passed / 1000,
        "core_share": used / passed,
        "key_median_ms": statistics.median(answers) * 1000,
        "key_worst_ms": max(answers) * 1000,
    }


def write_long_log(path: Path, events: int) -> None:
    t = time.time() - events * 0.5
    with path.open("wb") as file:
        file.write(
            serialize({"v": 1, "seq": 1, "t": t, "type": "start", "run": "long", "total_steps": events})
        )
        for number in range(2, events + 1):
            payload = step_payload(number)
            file.write(serialize({"v": 1, "seq": number, "t": t + number * 0.5, "type": "step", **payload}))


def measure_long_run(home: Path, events: int) -> tuple[float, float, float]:
    """Seconds from the start of the process until the run's state stands there, and until all of its log is
    read; processor seconds by then, those of its children included."""
    screen = Screen(["watch", "long"], (120, 40), home)
    shown = screen.wait_for(f"step {events:,}")
    while any("reading the log" in line for line in screen.pyte.display):
        screen.read(0.01)
    whole = time.perf_counter() - screen.began
    used = psutil.Process(screen.child.pid).cpu_times()
    screen.close()
    return shown, whole, used.user + used.system + used.children_user + used.children_system


def measure_closer(log: Path, events: int) -> list[tuple[int, float]]:
    """Steps of a part in the middle of a long log, and seconds until it is read again for a closer look."""
    state = RunState()
    for event in EventReader(log).poll(thin=True):
        state.fold(event)
    found = []
    for steps in (250, 10_000, events // 5):
        began = time.perf_counter()
        stretch.read(log, stretch.part(state, events // 2, events // 2 + steps))
        found.append((steps, time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--long", type=int, default=0, help="events of the long run; 0 leaves it out")
    given = parser.parse_args()
    width, height = (int(part) for part in given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        paints = measure_first_paint(Path(folder), given.times)
    waits, spent = zip(*paints, strict=True)
    print(
        f"first paint, home at 80×24: median {statistics.median(waits):.2f} s, best {min(waits):.2f} s; "
        f"of which on the processor {statistics.median(spent):.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        live = measure_dashboard(Path(folder), (width, height), given.gpus, given.seconds)
    print(
        f"dashboard at {width}×{height}, {given.gpus} GPUs, 1 Hz: {live['kilobytes_per_second']:.1f} KB/s, "
        f"{live['core_share']:.1%} of a core; a key is answered in {live['key_median_ms']:.0f} ms "
        f"(worst {live['key_worst_ms']:.0f})"
    )
    for name, before in (("charts as they open (v)", ("v",)), ("one or many, the other way (g)", ("v", "g"))):
        with tempfile.TemporaryDirectory() as folder:
            keys = ("+", "h", "y", "\x1b[D", "\t", "]", "f", "0")
            live = measure_dashboard(Path(folder), (width, height), given.gpus, given.seconds, before, keys)
        print(
            f"{name}: {live['kilobytes_per_second']:.1f} KB/s, {live['core_share']:.1%} of a core; "
            f"a key is answered in {live['key_median_ms']:.0f} ms (worst {live['key_worst_ms']:.0f})"
        )
    if given.long:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            run = make_run(home / "runs", "long")
            write_long_log(run.events_path, given.long)
            size = run.events_path.stat().st_size / 1e6
            print(
                f"opening a run of {given.long:,} events, {size:,.0f} MB, `tuiftune watch` from its start on:"
            )
            for name, keep in (("for the first time", False), ("again", True)):
                times = []
                for _ in range(given.times):
                    if not keep:
                        shutil.rmtree(home / "state", ignore_errors=True)
                    times.append(measure_long_run(home, given.long))
                first, whole, spent = (statistics.median(column) for column in zip(*times, strict=True))
                print(
                    f"  {name}: state shown after {first:.2f} s, all of it after {whole:.2f} s; "
                    f"{spent:.2f} s of the processor"
                )
            for steps, seconds in measure_closer(run.events_path, given.long):
                print(f"  a closer look at {steps:,} steps: read again in {seconds:.2f} s")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
