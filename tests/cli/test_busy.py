"""What takes longer than a second says so on a terminal; what is quicker doesn't."""

import os
import sys
import time
from pathlib import Path

import pexpect
import pytest

CODE = """
import sys, time
from tuiftune.cli.data_progress import busy
with busy("events") as count:
    for number in range({steps}):
        count(number * 1000)
        time.sleep(0.05)
print("done")
"""


@pytest.mark.parametrize(("steps", "said"), [(60, True), (2, False)])
def test_progress_is_shown_when_it_takes_a_second(steps: int, said: bool, tmp_path: Path) -> None:
    terminal = pexpect.spawn(
        sys.executable,
        ["-c", CODE.format(steps=steps)],
        env={**os.environ, "TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=30,
    )
    began = time.monotonic()
    terminal.expect("done")
    shown = terminal.before or ""
    assert time.monotonic() - began < 30
    assert ("events" in shown) is said
    assert ("000  " in shown) is said
