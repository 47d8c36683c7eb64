"""Screens as they were looked at and found good: recorded runs; clock and machine stand still."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import snapshot
from showing import shown, until
from textual.widgets import Input

from tuiftune.hardware import detect, disks
from tuiftune.hardware.machine import Disk, Gpu, Host, Machine, Session
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.app import TuneApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

GIB = 1 << 30
SMALL, WIDE, HUGE = (80, 24), (120, 40), (200, 60)
RECORDED = Path(__file__).parents[1] / "fixtures"
NOW = 1_795_500_000.0  # some hours after the last recorded run
GPU = Gpu(
    index=0,
    name="NVIDIA H200",
    memory_total=141 * GIB,
    memory_used=1 * GIB,
    memory_free=140 * GIB,
    utilisation=0,
    power_w=75.0,
    power_limit_w=700.0,
    temperature_c=31,
    compute_capability=(9, 0),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """`keys` are pressed one after the other; a text with a blank at its end is waited for instead."""

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    run: str = ""
    wizard: bool = False
    gpu: bool = False
    runs: bool = True
    environment: tuple[tuple[str, str], ...] = ()


TO_DATA = ("CPU ", "enter", "1 of 9 ", "s", "Built-in ", "down", "enter", "passed ")
TO_MODEL = (*TO_DATA, "enter", "tokens/s predicted ")
BLIND = ("done ", "r", "after ", "b", "Who ", "enter", "row 1 ", "2", "0")
SCENES = (
    Scene("home", SMALL, ("h200-qlora ",)),
    Scene("home-wide", WIDE, ("h200-qlora ",)),
    Scene("first-run", SMALL, runs=False),
    Scene("machine", SMALL, ("CPU ",), wizard=True),
    Scene("machine-card", WIDE, ("H200 ",), wizard=True, gpu=True),
    Scene("goal", SMALL, ("CPU ", "enter", "1 of 9 ", "1", "1", "1", "1", "3", "3"), wizard=True),
    Scene("weighing", SMALL, ("CPU ", "enter", "1 of 9 ", "1", "1", "1", "v"), wizard=True),
    Scene("data", SMALL, TO_DATA, wizard=True),
    Scene("checks", SMALL, (*TO_DATA, "Negative ", "ctrl+g"), wizard=True),
    Scene("model", SMALL, TO_MODEL, wizard=True),
    Scene("model-card", WIDE, TO_MODEL, wizard=True, gpu=True),
    Scene("review", SMALL, (*TO_MODEL, "enter", "no errors "), wizard=True),
    Scene("dashboard", SMALL, run="demo"),
    Scene("dashboard-wide", WIDE, run="h200-lora"),
    Scene("dashboard-huge", HUGE, run="h200-lora"),
    Scene("dashboard-ascii", SMALL, run="demo", environment=(("TUIFTUNE_ASCII", "1"), ("NO_COLOR", "1"))),
    Scene("why", SMALL, ("8.127 ", "w", "4.01 "), run="h200-lora"),
    Scene("charts", WIDE, ("v", "g"), run="h200-lora"),
    Scene("charts-cursor", SMALL, ("done ", "v", "b"), run="demo"),
    Scene("compare", SMALL, ("h200-qlora ", "space", "space", "m", "Outcome ")),
    Scene("export", WIDE, ("done ", "r", "after ", "x", "gguf "), run="demo"),
    Scene("blind", SMALL, BLIND, run="demo", environment=(("USER", "ann"),)),
    Scene("blind-wide", WIDE, BLIND, run="demo", environment=(("USER", "ann"),)),
    Scene("result", WIDE, ("done ", "r", "after "), run="demo"),
    Scene("help", SMALL, ("question_mark",), run="demo"),
)


def machine(gpu: bool) -> Machine:
    host = Host("rented", "Linux", "3.12.3", "EPYC 9654", 16, 128 * GIB, 120 * GIB)
    there = Disk("/data", "/data", "ext4", 500 * GIB, 210 * GIB)
    session = Session(False, None, None, "xterm-256color")
    if gpu:
        return Machine((GPU,), "580.95.05", "13.0", None, host, (there,), session)
    return Machine((), None, None, "no NVIDIA driver on this machine", host, (there,), session)


@pytest.fixture
def still(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing that a clock, a disk or this very machine could change."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(disks, "disk_of", lambda _: Disk("/data", "/data", "ext4", 500 * GIB, 210 * GIB))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return place


def recorded(place: Path) -> None:
    for source in sorted(RECORDED.glob("*/events.jsonl")):
        copy = place / "runs" / source.parent.name
        shutil.copytree(source.parent, copy)
        for path in copy.rglob("*"):
            os.utime(path, (NOW - 7200, NOW - 7200))


async def follow(pilot: Pilot[Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key.endswith(" "):
            await until(pilot, lambda key=key: key.strip() in shown(pilot.app))
        else:
            await pilot.press(key)
    await settled(pilot)


async def settled(pilot: Pilot[Any]) -> None:
    """Until nothing has moved for half a second."""
    before, same = "", 0
    until_then = time.monotonic() + 20
    while same < 5:
        assert time.monotonic() < until_then, f"the screen never comes to rest\n{before}"
        await pilot.pause(0.1)
        now = snapshot.text_of(pilot.app)
        before, same = now, same + 1 if now == before else 0


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_looks_as_it_did(scene: Scene, still: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "detect", lambda *_: machine(scene.gpu))
    for name, value in scene.environment:
        monkeypatch.setenv(name, value)
    if scene.runs:
        recorded(still)
    run = RunDir(still / "runs" / scene.run) if scene.run else None
    app = TuneApp(run=run, wizard=scene.wizard)
    app.draw_seconds = 0.05
    async with app.run_test(size=scene.size) as pilot:
        await follow(pilot, scene.keys)
        await until(pilot, lambda: "◌" not in shown(pilot.app), seconds=60)  # nothing is under way any more
        snapshot.check(scene.name, app)
