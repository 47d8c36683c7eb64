"""What is loaded, and what happens where there is no proper terminal: looked at from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune import terminal
from tuiftune.figures import ago, count, duration, percent, real, size
from tuiftune.tui.app import TuneApp
from tuiftune.tui.kit.clipboard import copy

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate")
WALK = """
import asyncio, sys
from tuiftune.tui.app import TuneApp
from tuiftune.wizard.draft import Draft

async def walk():
    app = TuneApp(wizard=True, draft=Draft(data=("builtin:tickets",)))
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("enter", "s", "enter"):
            await pilot.press(key)
            await pilot.pause(0.3)
        for _ in range(100):
            await pilot.pause(0.1)
            if getattr(pilot.app.screen, "plan", None) is not None:
                break
        else:
            sys.exit("no plan was made")
        pilot.app.open("review")
        await pilot.pause(0.3)

asyncio.run(walk())
print(*sorted(name for name in sys.modules if name.partition(".")[0] in HEAVY and "." not in name))
"""


def tuiftune(
    arguments: Sequence[str], given: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_the_app_never_loads_the_engine_s_libraries() -> None:
    """From the first step to the review, data read and a plan made."""
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{WALK}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("term", ["dumb", ""])
def test_without_a_terminal_the_bare_command_says_what_to_do(term: str) -> None:
    done = tuiftune([], TERM=term)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "tuiftune new --plain" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "remote", "few"),
    [
        ({"TERM": "xterm-256color"}, False, False),
        ({"TERM": "xterm", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, True, True),
        ({"TERM": "linux"}, False, True),
        ({"TERM": "screen", "COLORTERM": "truecolor"}, False, False),
    ],
)
def test_how_often_to_draw_and_with_how_many_colours(
    environment: dict[str, str], remote: bool, few: bool
) -> None:
    assert terminal.draw_seconds(environment) == (1.0 if remote else 0.5)
    assert terminal.few_colors(environment) is few


def test_nothing_moves_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "full")
    app = TuneApp()
    assert app.animation_level == "none"
    assert app.draw_seconds == 1.0


class NoTerminal:
    def isatty(self) -> bool:
        return False


class ATerminal:
    def isatty(self) -> bool:
        return True


def test_a_pipe_and_a_dumb_terminal_are_plain() -> None:
    assert terminal.plain({"TERM": "dumb"}, ATerminal(), ATerminal())
    assert terminal.plain({"TERM": "xterm"}, ATerminal(), NoTerminal())
    assert not terminal.plain({"TERM": "xterm"}, ATerminal(), ATerminal())


def test_what_is_copied_is_in_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    sent: list[str] = []
    says = copy("tuiftune train a.yaml", sent.append)
    assert sent == ["tuiftune train a.yaml"]
    kept = tmp_path / "state" / "tuiftune" / "copied.txt"
    assert str(kept) in says
    assert kept.read_text() == "tuiftune train a.yaml\n"


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_within_tmux_the_copy_is_in_its_buffer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    socket = str(tmp_path / "tmux")
    server = ["tmux", "-f", "/dev/null", "-S", socket]
    subprocess.run([*server, "new-session", "-d", "sleep 60"], check=True, timeout=20)
    sent: list[str] = []
    kept = tmp_path / "state" / "tuiftune" / "copied.txt"
    try:
        monkeypatch.setenv("TMUX", f"{socket},1,0")
        says = copy("tuiftune train b.yaml", sent.append)
        held = subprocess.run(
            [*server, "show-buffer"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    finally:
        subprocess.run([*server, "kill-server"], check=False, timeout=20)
    assert held == "tuiftune train b.yaml"
    assert sent == [], "tmux drops what is sent to the terminal"
    assert "Copied through tmux" in says
    assert str(kept) in says
    assert kept.read_text() == "tuiftune train b.yaml\n"

    says = copy("tuiftune train c.yaml", sent.append)  # its server is gone
    assert "tmux did not accept the text" in says
    assert str(kept) in says
    assert kept.read_text() == "tuiftune train c.yaml\n", "the file holds it whatever happens"


def test_numbers_as_people_read_them() -> None:
    assert [size(value) for value in (None, 0, 1536, 71 << 30, 141 << 30)] == [
        "—",
        "0 B",
        "1.5 KiB",
        "71.0 GiB",
        "141 GiB",
    ]
    assert [duration(value) for value in (None, 0.4, 59.6, 200, 3600, 100_000)] == [
        "—",
        "0 s",
        "1 min",
        "3 min 20 s",
        "1 h",
        "1 d 3 h",
    ]
    assert [count(value) for value in (None, 3412, 120_000, 7_615_616_512)] == [
        "—",
        "3,412",
        "120k",
        "7.62B",
    ]
    assert [real(value) for value in (None, 1.2345, 0.0512, 2e-4, 8909.1)] == [
        "—",
        "1.234",
        "0.051",
        "2e-4",
        "8909",
    ]
    assert [percent(value) for value in (None, 0.845)] == ["—", "84%"]
    assert [ago(value) for value in (None, 5, 300, 7300, 200_000)] == ["—", "now", "5 min", "2 h", "2 d"]
