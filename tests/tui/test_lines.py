"""The app in real terminals that are put aside, resized in a storm, lost, or little able."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pexpect
import psutil
import pyte
import pytest
from rich.cells import cell_len
from showing import live
from test_journey import Terminal
from test_terminal import ROOT
from waiting import wait_until

from tuiftune.terminal import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from showing import Log

WATCH = f"{sys.executable} -m tuiftune watch tone"


def _environment() -> dict[str, str]:
    """Without a size: a window that says in its environment how large it is would never be another."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


def _heeds_hang_ups() -> None:
    """Whoever runs the tests under nohup has told all of them to ignore one."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Line:
    """A pseudo-terminal whose other end can be resized or torn off."""

    def __init__(self, place: Path, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.display = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.display)
        self.sent = b""
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "tuiftune", "watch", "tone"],
            dimensions=(size[1], size[0]),
            cwd=str(place),
            env={**_environment(), "PYTHONPATH": str(ROOT), **environment},
            timeout=60,
            preexec_fn=_heeds_hang_ups,
        )

    def read(self) -> None:
        try:
            data = self.child.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return
        self.sent += data
        self._stream.feed(data)

    def resize(self, width: int, height: int) -> None:
        self.child.setwinsize(height, width)
        self.display.resize(height, width)

    def text(self) -> str:
        return "\n".join(self.display.display)

    def until(self, condition: Callable[[], object], seconds: float = 40.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s; the screen shows\n{self.text()}")
            self.read()


@pytest.fixture
def line(tmp_path: Path, finished: object) -> Iterator[Callable[..., Line]]:
    opened: list[Line] = []

    def make(**options: Any) -> Line:
        opened.append(Line(tmp_path, **options))
        return opened[-1]

    yield make
    for one in opened:
        with suppress(OSError, pexpect.ExceptionPexpect):  # the test tore it off, and saw it end
            one.child.close(force=True)


def test_a_hundred_sizes_in_a_storm_end_in_the_right_layout(line: Callable[..., Line]) -> None:
    one = line()
    one.until(lambda: "? Help" in one.text())
    sizes = [(200, 60), (40, 10), (120, 40), (20, 6), (1, 1), (81, 25), (132, 43)]
    for number in range(100):
        one.resize(*sizes[number % len(sizes)])
        one.read()
    one.resize(120, 40)
    one.until(lambda: "? Help" in one.display.display[39] and "done" in one.display.display[0])
    assert one.child.isalive()
    one.resize(80, 24)
    one.until(lambda: "? Help" in one.display.display[23] and "before and after" in one.text())


def test_a_line_that_drops_ends_the_app(line: Callable[..., Line]) -> None:
    one = line()
    one.until(lambda: "? Help" in one.text())
    app = psutil.Process(one.child.pid)
    os.close(one.child.fileno())  # the other end is gone: nothing can be read or written any more
    psutil.wait_procs([app], timeout=20)
    assert not app.is_running() or app.status() == psutil.STATUS_ZOMBIE


def test_who_comes_back_after_a_dropped_line_sees_the_whole_run(
    tmp_path: Path, new_run: Callable[..., Log]
) -> None:
    log = new_run("tone")
    live(log)
    log.start(100)
    log.add("eval", step=0, loss=2.31, perplexity=10.07, when="before")
    log.steps(1, 20)
    first = Line(tmp_path, (120, 40))
    try:
        first.until(lambda: "step 20" in first.text())
    finally:
        first.child.close(force=True)
    log.steps(21, 40)
    log.add("eval", step=40, loss=0.9, perplexity=2.46, when="during")
    again = Line(tmp_path, (120, 40))
    try:
        again.until(lambda: "step 40" in again.text() and "0.9" in again.text())
        again.until(lambda: "2.31" in again.text())
        log.steps(41, 45)
        again.until(lambda: "step 45" in again.text())
    finally:
        again.child.close(force=True)


def test_over_ssh_it_draws_once_a_second(tmp_path: Path, new_run: Callable[..., Log]) -> None:
    log = new_run("tone", total=1000)
    live(log)
    log.start(1000)
    log.steps(1, 2)
    far = Line(tmp_path, SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22")
    try:
        far.until(lambda: "step 2" in far.text())
        began, step, seen = time.monotonic(), 2, set()
        while time.monotonic() - began < 4:
            step += 1
            log.steps(step, step)
            far.read()
            seen |= set(re.findall(r"step (\d+)", far.text()))
    finally:
        far.child.close(force=True)
    took = time.monotonic() - began
    assert 2 <= len(seen) <= took + 2, "a loaded machine draws less often, never more"


@pytest.mark.parametrize(
    ("term", "environment", "ascii_only"),
    [
        ("xterm", {"COLORTERM": ""}, False),
        ("linux", {"COLORTERM": ""}, True),
        ("xterm-256color", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, True),
    ],
)
def test_little_able_terminals_get_what_they_can_show(
    line: Callable[..., Line], term: str, environment: dict[str, str], ascii_only: bool
) -> None:
    one = line(TERM=term, **environment)
    one.until(lambda: "? Help" in one.text() and "exact match" in one.text())
    if "256" not in term:
        assert b"\x1b[38;2;" not in one.sent, "no mixed colours where there are sixteen"
        assert b"38;5;" not in one.sent
    assert "\\u" not in one.text()
    drawn = {sign for sign in one.text() if not sign.isascii()}
    if environment.get("LANG") == "C":
        assert drawn == set()
    elif ascii_only:
        assert drawn <= set("─│╭╮╰╯┌┐└┘—·…→"), drawn
    else:
        assert "★" in drawn


def test_signs_that_cannot_be_encoded_keep_their_width() -> None:
    text = "— é … → 日本 ✓ ☃"
    assert alike(text) == "- e . > ???? + ?"
    assert len(alike(text)) == cell_len(text)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_put_aside_with_ctrl_z_and_back(tmp_path: Path, finished: object) -> None:
    terminal = Terminal(tmp_path)
    try:
        terminal.open("PS1='shell> ' sh -i")
        wait_until(lambda: "shell>" in terminal.screen(), 20, terminal.screen)
        terminal.press(WATCH, "Enter")
        wait_until(lambda: "? Help" in terminal.screen(), 40, terminal.screen)
        terminal.press("C-z")
        wait_until(lambda: terminal.screen().rstrip().endswith("shell>"), 20, terminal.screen)
        assert "? Help" not in terminal.screen(), "the shell's own screen is back"
        terminal.press("echo between", "Enter")
        wait_until(lambda: "\nbetween\n" in terminal.screen(), 20, terminal.screen)
        terminal.press("fg", "Enter")
        wait_until(lambda: "? Help" in terminal.screen(), 20, terminal.screen)
        terminal.press("?")
        wait_until(lambda: "Esc: close" in terminal.screen(), 20, terminal.screen)
        terminal.press("Escape")
        wait_until(lambda: "Esc: close" not in terminal.screen(), 20, terminal.screen)
        terminal.press("q")
        wait_until(lambda: terminal.screen().rstrip().endswith("shell>"), 20, terminal.screen)
    finally:
        terminal.close()


@pytest.mark.skipif(shutil.which("screen") is None, reason="GNU screen is not installed")
def test_within_gnu_screen(tmp_path: Path, finished: object) -> None:
    sockets = tmp_path / "s"
    sockets.mkdir(mode=0o700)
    display = pyte.Screen(80, 24)
    stream = pyte.ByteStream(display)
    child = pexpect.spawn(
        "screen",
        ["-c", "/dev/null", "-U", *WATCH.split()],
        dimensions=(24, 80),
        cwd=str(tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCREENDIR": str(sockets), "TERM": "xterm-256color"},
        timeout=60,
    )
    try:
        deadline = time.monotonic() + 40
        while "? Help" not in "\n".join(display.display):
            assert time.monotonic() < deadline, "\n".join(display.display)
            try:
                stream.feed(child.read_nonblocking(65536, timeout=0.1))
            except pexpect.TIMEOUT:
                continue
        assert "before and after" in "\n".join(display.display)
        child.send("q")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
