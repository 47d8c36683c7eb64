"""How long the planner thinks: one estimate of memory, and a whole search, for every shape of the catalogue.

    python benchmarks/plan.py

Processor time, the best of five for a search, the mean of a thousand for an estimate.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from tuiftune.data.facts import DataFacts
from tuiftune.hardware.machine import Host, Machine, Session
from tuiftune.models import catalogue
from tuiftune.models.resolve import resolve
from tuiftune.plan.memory import estimate
from tuiftune.plan.resolve import make_plan
from tuiftune.plan.settings import Settings
from tuiftune.preset.schema import Preset
from tuiftune.preset.sizes import GIB

FACTS = DataFacts(10_000, 500, 400.0, 3000, tuple(range(100, 3101, 150)), "counted", "chat")
NOWHERE = Machine(
    (),
    None,
    None,
    "no driver",
    Host("here", "Linux", "3.11", "a processor", 2, 24 * GIB, 22 * GIB),
    (),
    Session(False, None, None, "xterm"),
)


def estimate_seconds(base: str, times: int = 1000) -> float:
    architecture = resolve(base).architecture
    plain = Settings("lora", 4, 2048)
    estimate(architecture, plain)
    began = time.process_time()
    for length in range(100, 100 + times):
        estimate(architecture, replace(plain, length=length))
    return (time.process_time() - began) / times


def search_seconds(base: str) -> float:
    preset = Preset.model_validate({"model": {"base": base}, "data": {"train": "x.jsonl"}})
    preset = preset.with_values({"training.effective_batch": 64})
    model = resolve(base)
    took = []
    for _ in range(5):
        began = time.process_time()
        make_plan(preset, NOWHERE, model, FACTS, gpu="H200")
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    names = [entry.id for entry in catalogue.entries()]
    for what, timed in (("one estimate", estimate_seconds), ("a whole search", search_seconds)):
        took = {name: timed(name) for name in names}
        slowest = max(took, key=lambda name: took[name])
        print(
            f"{what}: median {1e3 * statistics.median(took.values()):.2f} ms of {len(took)} models, "
            f"at worst {1e3 * took[slowest]:.2f} ms ({slowest})"
        )


if __name__ == "__main__":
    main()
