"""How long it takes to open a long event log, folded and ready to draw.

`python benchmarks/event_log.py [EVENTS]`

Aim: a million events in 1.5 s. Every loss that was logged counts: the curve keeps the lowest and the highest.
"""

from __future__ import annotations

import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tuiftune.runs.log import EventReader, EventWriter, serialise
from tuiftune.runs.state import RunState

TRIES = 5
GPU = {
    "index": 0,
    "name": "NVIDIA H200",
    "utilisation": 97,
    "memory_used": 12345678901,
    "memory_total": 150000000000,
    "power_w": 612.3,
    "temperature_c": 61,
    "throttle": [],
}


def write(path: Path, events: int) -> None:
    """A run of one card: a step every half second, a reading every two, evaluations and heartbeats."""
    chance = random.Random(1)
    seq = step = 0
    with path.open("wb") as file:

        def put(kind: str, **payload: object) -> None:
            nonlocal seq
            seq += 1
            file.write(serialise({"v": 1, "seq": seq, "t": 1.7e9 + step / 2, "type": kind, **payload}))

        put("start", run="long", model="m", technique="lora", total_steps=events, device="cuda")
        put("phase", name="training", detail="", done=None, total=None)
        while seq < events:
            step += 1
            loss = 2 * 0.9999 ** min(step, 20_000) + chance.random() / 10
            rate, speed = 1e-4 * (1 - step / events), 30_000 + chance.random()
            put("step", step=step, loss=loss, lr=rate, grad_norm=1.0, tokens=step, tokens_per_second=speed)
            if step % 4 == 0:
                put(
                    "gpu",
                    gpus=[GPU],
                    cpu=12.3,
                    host_memory_used=10**9,
                    host_memory_total=10**11,
                    disk_free=10**12,
                )
            if step % 20 == 0:
                put("heartbeat", step=step, phase="training")
            if step % 5000 == 0:
                put("eval", step=step, loss=1.0, perplexity=2.7, when="during")


def open_once(path: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    state = RunState()
    for event in EventReader(path).poll(thin=True):
        state.fold(event)
    state.loss_curve.points()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "events.jsonl"
        write(path, events)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = [open_once(path) for _ in range(TRIES)]
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{events:,} events, {path.stat().st_size / 1e6:.0f} MB")
        print(f"open: {clock:.2f} s by the clock, {processor:.2f} s of the processor (median of {TRIES})")
        print(f"memory: at most {(after - before) / 1024:.0f} MiB more")
        writer = EventWriter(Path(place) / "new.jsonl")
        began = time.perf_counter()
        for step in range(10_000):
            writer.emit("step", step=step, loss=1.0, lr=1e-4, grad_norm=1.0, tokens=1, tokens_per_second=1.0)
        print(f"emit: {(time.perf_counter() - began) / 10_000 * 1e6:.0f} µs an event")


if __name__ == "__main__":
    main()
