"""A newcomer in a real terminal: Enter alone to a running dashboard; training outlives the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from test_terminal import ROOT
from waiting import wait_until

from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store.control import kill, request_stop
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux server of its own."""

    def __init__(self, place: Path) -> None:
        self.socket = str(place / "tmux")
        self.place = place

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", self.socket, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout

    def open(self, command: str, width: int = 80, height: int = 24, **environment: str) -> None:
        settings = {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(self.place / "state"),
            **environment,
        }
        said = " ".join(f"{name}='{value}'" for name, value in settings.items())
        self.tmux(
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            "-c",
            str(self.place),
            f"env {said} {command}; sleep 60",
        )

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()
    for path in (tmp_path / "runs").glob("*/plan.json"):
        kill(RunDir(path.parent))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_enter_and_chosen_data_to_a_training_that_outlives_its_terminal(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.open(f"{sys.executable} -m tuiftune")
    wait_until(lambda: "New run" in terminal.screen(), 30, terminal.screen)
    for _ in range(60):
        now = terminal.screen()
        if "Built-in support tickets" in now:  # the dialog that asks which data: its last choice
            terminal.press("Down")
        if " tour " not in now and ("┤" in now or "loading the model" in now):
            break
        terminal.press("Enter")
        time.sleep(0.6)
    wait_until(lambda: "evaluating the base model" in terminal.screen(), 150, terminal.screen)
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 1, "Enter alone starts one run, not several"
    run = RunDir(runs[0])
    assert run.preset.model.base == "builtin:tiny"
    terminal.close()  # a hang-up, as when a line drops
    follower = Follower(run)
    wait_until(lambda: follower.refresh() and follower.state.step >= 2, 120, lambda: run.log_path.read_text())
    assert status(run) == "running"

    terminal.open(f"{sys.executable} -m tuiftune watch", 120, 40)
    wait_until(
        lambda: f"{follower.state.total_steps:,}" in terminal.screen() and "┤" in terminal.screen(),
        30,
        terminal.screen,
    )
    assert "running" in terminal.screen()
    assert "eval loss" in terminal.screen(), "what happened before is there too"
    request_stop(run, "the test")
    wait_until(lambda: "stopped, can be resumed" in terminal.screen(), 60, terminal.screen)
    terminal.press("q")
    wait_until(lambda: "stopped" not in terminal.screen(), 30, terminal.screen)


def test_a_storm_of_sizes_and_sixteen_colours(terminal: Terminal, finished: object) -> None:
    terminal.open(f"{sys.executable} -m tuiftune watch tone", TERM="screen", COLORTERM="", LC_ALL="C.UTF-8")
    wait_until(lambda: "done" in terminal.screen(), 30, terminal.screen)
    for width, height in ((200, 60), (40, 10), (120, 40), (20, 6), (80, 24)):
        terminal.tmux("resize-window", "-x", str(width), "-y", str(height))
        time.sleep(0.3)
    wait_until(
        lambda: "before and after" in terminal.screen() and "? Help" in terminal.screen(), 30, terminal.screen
    )
    coloured = terminal.tmux("capture-pane", "-p", "-e")
    assert "\x1b[38;2;" not in coloured, "no mixed colours where there are sixteen"
    terminal.press("r")
    wait_until(
        lambda: "exact match" in terminal.screen() and "answer 1" in terminal.screen(), 30, terminal.screen
    )
    terminal.press("q")


def test_no_colour_and_ascii(terminal: Terminal, finished: object) -> None:
    terminal.open(
        f"{sys.executable} -m tuiftune watch tone", NO_COLOR="1", TUIFTUNE_ASCII="1", TERM="xterm-256color"
    )
    wait_until(
        lambda: "done" in terminal.screen() and "before and after" in terminal.screen(), 30, terminal.screen
    )
    coloured = terminal.tmux("capture-pane", "-p", "-e")
    colours = [
        part for part in coloured.split("\x1b[")[1:] if part[:2] in {"31", "32", "33", "34", "35", "36"}
    ]
    assert not colours
    assert terminal.screen().isascii()
    assert os.environ.get("NO_COLOR") is None
