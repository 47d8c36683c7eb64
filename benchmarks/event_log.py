"""How long it takes to open a long event log, and what it costs to watch one that is longer than any memory.

`python -m benchmarks.event_log [--events N] [--gigabytes N] [--at DIR]`

Every line is one that a run writes, with numbers of its own. Aim: a million events in 1.5 s. Every loss that
was logged counts: the curve keeps the lowest and the highest.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter, serialize
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import create

TRIES = 5
GPU = (
    '{"index":0,"name":"NVIDIA H200","utilisation":97,"memory_used":12345678901,"memory_total":150000000000,'
    '"power_w":%.1f,"temperature_c":61,"throttle":[]}'
)
COMMANDS = {
    "watch --plain, first time": ["watch", "--plain"],
    "watch --plain, again": ["watch", "--plain"],
    "watch --json, its first 100,000 events": ["watch", "--json"],
    "runs --json": ["runs", "--json"],
    "report": ["report"],
    "logs -n 50": ["logs", "-n", "50"],
    "logs, all of it": ["logs"],
}


def write(path: Path, events: int | None = None, size: int | None = None) -> int:
    """A run of one card, until there are so many events or bytes: a step every half second, a reading every
    two, evaluations and heartbeats. Returns the events.
    """
    chance = random.Random(1)
    seq = step = written = 0
    total = events or size // 190 if size else events
    with path.open("wb") as file:

        def put(kind: str, payload: str) -> None:
            nonlocal seq, written
            seq += 1
            t = 1.7e9 + step / 2
            written += file.write(f'{{"v":1,"seq":{seq},"t":{t},"type":"{kind}",{payload}}}\n'.encode())

        put("start", f'"run":"long","model":"m","technique":"lora","total_steps":{total},"device":"cuda"')
        put("phase", '"name":"training","detail":"","done":null,"total":null')
        while seq < events if events else written < (size or 0):
            step += 1
            loss = 2 * 0.9999 ** min(step, 20_000) + chance.random() / 10
            rate, speed = 1e-4 / step, 30_000 + chance.random()
            put(
                "step",
                f'"step":{step},"loss":{loss},"lr":{rate},"grad_norm":1.0,"tokens":{step},'
                f'"tokens_per_second":{speed}',
            )
            if step % 4 == 0:
                host = '"host_memory_used":1000000000,"host_memory_total":100000000000'
                gpu = GPU % (600 + speed % 10)
                put("gpu", f'"gpus":[{gpu}],"cpu":12.3,{host},"disk_free":1000000000000')
            if step % 20 == 0:
                put("heartbeat", f'"step":{step},"phase":"training"')
            if step % 5000 == 0:
                put("eval", f'"step":{step},"loss":1.0,"perplexity":2.7,"when":"during"')
        put("end", '"state":"done","exit_code":0,"why":""')
    return seq


def open_once(path: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), _processor()
    state = RunState()
    for event in EventReader(path).poll(thin=True):
        state.fold(event)
    state.curves["loss"].points()
    return time.perf_counter() - clock, _processor() - processor


def _processor() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def short(place: Path, events: int) -> None:
    """Opening, with and without the digest of an earlier reading, and writing."""
    path = place / "events.jsonl"
    write(path, events)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = open_once(path)
    times = [open_once(path) for _ in range(TRIES)]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{events:,} events, {path.stat().st_size / 1e6:.0f} MB")
    print(f"open: {first[0]:.2f} s by the clock, {first[1]:.2f} s of the processor the first time;")
    print(f"      {clock:.2f} s by the clock, {processor:.2f} s of the processor again (median of {TRIES})")
    print(f"memory: at most {(after - before) / 1024:.0f} MiB more")
    writer = EventWriter(place / "new.jsonl")
    began = time.perf_counter()
    for step in range(10_000):
        writer.emit("step", step=step, loss=1.0, lr=1e-4, grad_norm=1.0, tokens=1, tokens_per_second=1.0)
    print(f"emit: {(time.perf_counter() - began) / 10_000 * 1e6:.0f} µs an event")


def long(place: Path, gigabytes: float) -> None:
    """Each way to look at a run whose two logs have that size: seconds, processor seconds, peak memory."""
    preset = "version: 1\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
    run = create(place / "runs", "long", preset, {"fits": True, "resolved": {}})
    size = int(gigabytes * 1e9)
    began = time.perf_counter()
    events = write(run.events_path, size=size)
    with run.log_path.open("wb") as file:
        number = 0
        while file.tell() < size:
            lines = (
                f"{n}: a warning of a library, in a line of its own\n" for n in range(number, number + 10**5)
            )
            file.write("".join(lines).encode())
            number += 10**5
    print(f"{events:,} events in {size / 1e9:g} GB, written in {time.perf_counter() - began:.0f} s")
    environment = {**os.environ, "XDG_STATE_HOME": str(place / "state"), "TERM": "dumb", "NO_COLOR": "1"}
    print("| command | seconds | of the processor | peak memory, MiB | lines |\n|---|---:|---:|---:|---:|")
    for name, (command, *options) in COMMANDS.items():
        words = [command, *options] if command == "runs" else [command, str(run.path), *options]
        limit = 100_000 if "100,000" in name else None
        print(f"| `{name}` | {' | '.join(_measured(words, environment, place, limit))} |", flush=True)
    for name, home in (("first time", place / "other"), ("again", place / "other")):
        print(f"| the dashboard, {name} | {' | '.join(_dashboard(run.path, home))} |", flush=True)


def _dashboard(run: Path, home: Path) -> list[str]:
    """The app at 120×40 until it stands there whole."""
    from benchmarks.app import Screen

    home.mkdir(exist_ok=True)
    before = _processor()
    screen = Screen(["watch", str(run)], (120, 40), home)
    process, peaks = psutil.Process(screen.child.pid), [0]
    watch = threading.Thread(target=_peak, args=(process, peaks))
    watch.start()
    shown = screen.wait_for("done")
    while any("reading the log" in line for line in screen.pyte.display):
        screen.read(0.05)
    seconds = time.perf_counter() - screen.began
    screen.close()
    watch.join()
    used = _processor() - before
    return [f"{seconds:.1f} (its ends after {shown:.1f})", f"{used:.1f}", f"{peaks[0] / 2**20:.0f}", "—"]


def _measured(words: list[str], environment: dict[str, str], place: Path, limit: int | None) -> list[str]:
    before, began = _processor(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", *words],
        env=environment,
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    peaks = [0]
    watch = threading.Thread(target=_peak, args=(psutil.Process(process.pid), peaks))
    watch.start()
    assert process.stdout
    lines = 0
    for _ in process.stdout:
        lines += 1
        if lines == limit:
            process.kill()
            break
    process.stdout.close()
    process.wait()
    watch.join()
    seconds, used = time.perf_counter() - began, _processor() - before
    return [f"{seconds:.1f}", f"{used:.1f}", f"{peaks[0] / 2**20:.0f}", f"{lines:,}"]


def _peak(mine: psutil.Process, peaks: list[int]) -> None:
    """The most memory that the process and its children held together, shared pages counted in each."""
    while mine.is_running() and mine.status() != psutil.STATUS_ZOMBIE:
        with suppress(psutil.Error):
            held = sum(one.memory_info().rss for one in (mine, *mine.children(recursive=True)))
            peaks[0] = max(peaks[0], held)
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--gigabytes", type=float, default=0.0, help="of a log that is looked at by every command"
    )
    parser.add_argument("--at", type=Path, help="where there is room")
    given = parser.parse_args()
    sample = {"v": 1, "seq": 1, "t": 1.5, "type": "heartbeat", "step": 1, "phase": "training"}
    written = '{"v":1,"seq":1,"t":1.5,"type":"heartbeat","step":1,"phase":"training"}\n'
    assert serialize(sample) == written.encode(), "the lines here must be as a run writes them"
    with tempfile.TemporaryDirectory(dir=given.at) as place:
        os.environ["XDG_STATE_HOME"] = str(Path(place) / "state")
        if given.gigabytes:
            long(Path(place), given.gigabytes)
        else:
            short(Path(place), given.events)


if __name__ == "__main__":
    main()
