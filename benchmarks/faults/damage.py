"""Kinds of damage to the newest checkpoint. Each must be seen, named and passed over for the one before."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.faults.classes import Outcome
from benchmarks.faults.world import events
from tuiftune.runs.store.checkpoints import random_states

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.faults.world import World

FILES = (
    "weights",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "progress.json",
    "manifest.json",
)


def _removed(path: Path, chance: random.Random) -> None:
    path.unlink()


def _cut_short(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def _bit_flipped(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _zeroed(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _of_the_one_before(path: Path, chance: random.Random) -> None:
    older = min(path.parent.parent.glob("checkpoint-*"), key=lambda folder: int(folder.name[11:]))
    shutil.copy(older / path.name, path)


WAYS: dict[str, Callable[[Path, random.Random], None]] = {
    "removed": _removed,
    "cut short": _cut_short,
    "bit flipped": _bit_flipped,
}
DAMAGES = [(file, way) for file in FILES for way in WAYS]  # the 21
MORE: dict[str, Callable[[Path, random.Random], None]] = {
    "zeroed": _zeroed,
    "of the one before": _of_the_one_before,
}
DAMAGES += [(file, way) for file in ("weights", "optimizer.pt", "manifest.json") for way in MORE]


def damaged(world: World, file: str, way: str) -> Outcome:
    """Damage the newest checkpoint of a run that was preempted, and resume it."""
    kind = world.kind()
    run = world.half_done(kind)
    found = sorted((run / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    older, newest = found[-2:]
    name = next(path.name for path in newest.glob("*model.safetensors")) if file == "weights" else file
    if file == "rng_state.pth":
        name = world.random.choice(random_states(world.processes))
    ({**WAYS, **MORE})[way](newest / name, world.random)
    lost = world.finish(run, kind)
    told = [event for event in events(run, "warning") if event["code"] == "checkpoint_damaged"]
    silent = "" if any(newest.name in event["message"] for event in told) else "the damage wasn't named"
    resumed = events(run, "start")[-1]["resumed_from"]
    if resumed != int(older.name[11:]):
        silent = silent or f"resumed from {resumed} instead of {older.name}"
    return Outcome("damaged newest checkpoint", f"{kind}: {file} {way}", lost, silent)
