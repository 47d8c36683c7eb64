"""Closed and full standard streams: a documented code, and one line where one can be written."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuiftune.cli.terminal import echo_wrapped, say_wrapped

FULL = "error: standard output: cannot be written (No space left on device)"
CLOSED = "error: standard output: is closed"
CASES = [
    ("preset schema", ">/dev/full", 7, FULL),
    ("runs --json", ">/dev/full", 7, FULL),
    ("--help", ">/dev/full", 7, FULL),
    ("preset list", ">&-", 1, CLOSED),
    ("runs --json", ">&-", 1, CLOSED),
    ("preset list", ">/dev/full 2>/dev/full", 7, ""),
    ("preset list", "<&- >&- 2>&-", 1, ""),
    ("preset list", "2>&-", 0, ""),
    ("preset list", "<&-", 0, ""),
    ("runs", "2>/dev/full", 0, ""),  # what it says to a person, nobody hears
    ("preset show nonsense", ">/dev/full", 2, "error: "),
    ("preset show nonsense", "2>&-", 2, ""),
]


@pytest.mark.parametrize(("words", "streams", "code", "said"), CASES)
def test_what_becomes_of_a_command(words: str, streams: str, code: int, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m tuiftune {words} {streams}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "TUIFTUNE_RUNS": str(tmp_path / "runs")},
    )
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)
    assert "Traceback" not in done.stderr + done.stdout


def test_a_closed_stream_is_never_a_file_that_is_opened_later(tmp_path: Path) -> None:
    """Else what a library prints would be written into a checkpoint."""
    code = (
        "from tuiftune import streams; streams.take_over(); import os; "
        f"file = open({str(tmp_path / 'file')!r}, 'w'); assert file.fileno() > 2; "
        "os.write(2, b'lost'); print('x', end='')"
    )
    command = f'"{sys.executable}" -c "{code}" <&- 2>&-'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, (tmp_path / "file").read_text()) == (0, "x", "")


@pytest.mark.parametrize("on_terminal", [True, False])
def test_lines_break_between_words_on_a_terminal_only(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(told, "isatty", lambda: on_terminal)
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(sys, "stdout", told)
    monkeypatch.setenv("COLUMNS", "20")
    whole, broken = "  effective batch 8, micro batch 4\n", "  effective batch 8,\n    micro batch 4\n"
    for tell in (lambda: say_wrapped(whole.rstrip()), lambda: echo_wrapped(whole.rstrip(), 4)):
        told.truncate(0)
        told.seek(0)
        tell()
        assert told.getvalue() == (broken if on_terminal else whole)
