"""A run seen over a network file system: sizes before contents, names that lag, clocks that disagree.

And files of any size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from runs_kit import ENGINE

from tuiftune.cli import engine_log
from tuiftune.runs.log import reader as log_reader
from tuiftune.runs.log.lines import read_tail
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter, serialize
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import status, vitals
from tuiftune.runs.store.process import identify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]

GIB = 1 << 30
MEASURED = """
import sys
from tuiftune.cli.main import main
try:
    main()
finally:
    sys.stderr.write(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def line(step: int) -> bytes:
    return serialize({"v": 1, "seq": step, "t": time.time(), "type": "step", "step": step, "loss": 1.0})


def steps(reader: EventReader) -> list[int]:
    return [event["step"] for event in reader.poll()]


@pytest.mark.parametrize("thin", [False, True])
def test_a_size_that_is_there_before_its_contents(tmp_path: Path, thin: bool) -> None:
    """A page of zero bytes where the end will be, then one in the middle: nothing of it is damage or lost."""
    path, whole = tmp_path / "events.jsonl", b"".join(map(line, range(1, 200)))
    reader, seen = EventReader(path), []
    first, second = 2 * log_reader.PAGE_BYTES - 200, 3 * log_reader.PAGE_BYTES
    lagging = [
        whole[:first] + bytes(second - first),
        whole[:first] + bytes(second - first) + whole[second:],
        whole[:second] + bytes(len(whole) - second),
        whole,
    ]
    for shown in lagging:
        if path.exists():
            with path.open("r+b") as file:  # the same file, as a reader is shown it
                file.write(shown)
        else:
            path.write_bytes(shown)
        seen += [event["step"] for event in reader.poll(thin=thin)]
    assert seen == list(range(1, 200))
    assert (reader.skipped, reader.generation) == (0, 0)


def test_zero_bytes_that_stay_are_damage_and_hold_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash of the machine leaves: in a log that grows no more at once, else after a while."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(1) + bytes(log_reader.PAGE_BYTES - len(line(1))) + b"\n" + line(2))
    os.utime(path, (1, 1))
    old = EventReader(path)
    assert steps(old) == [1, 2]
    assert old.skipped == 1
    path.touch()
    monkeypatch.setattr(log_reader, "ARRIVES_WITHIN", 0.2)
    live = EventReader(path)
    seen = steps(live)
    until = time.monotonic() + 20
    while 2 not in seen and time.monotonic() < until:
        path.touch()
        time.sleep(0.05)
        seen += steps(live)
    assert seen == [1, 2]
    assert live.skipped == 1


def test_a_modification_time_that_goes_back_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader, writer = EventReader(path), EventWriter(path)
    for step in range(1, 4):
        writer.emit("step", step=step)
        os.utime(path, (2e9 - step * 1e6, 2e9 - step * 1e6))
        assert steps(reader) == [step]
    assert reader.generation == 0


def test_a_log_that_is_replaced_shows_the_old_one_for_a_while(tmp_path: Path) -> None:
    """The old name, then none, then the new one: told anew from its beginning, nothing mixed."""
    path, other = tmp_path / "events.jsonl", tmp_path / "other"
    path.write_bytes(line(1) + line(2))
    reader = EventReader(path)
    assert steps(reader) == [1, 2]
    other.write_bytes(line(7) + line(8) + line(9))
    path.unlink()
    assert steps(reader) == []
    assert reader.generation == 0
    other.rename(path)
    assert steps(reader) == [7, 8, 9]
    assert reader.generation == 1


def test_a_log_that_is_there_before_the_name_of_its_process(new_run: NewRun) -> None:
    """`engine.pid` is renamed into place; another host may not see it yet. A heartbeat tells enough."""
    run = new_run()
    EventWriter(run.events_path).emit("heartbeat", step=1, phase="training")
    assert (vitals(run).state, vitals(run).pid) == ("running", None)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        engine = identify(process.pid)
        assert engine is not None
        run.pid_path.write_text(engine.dump())
        assert vitals(run).pid == process.pid
    finally:
        process.kill()
        process.wait()
    run.pid_path.unlink()
    event = {"v": 1, "seq": 2, "t": time.time() - 3600, "type": "heartbeat"}
    run.events_path.write_bytes(serialize(event))
    assert status(run) == "died"


def test_a_run_whose_clock_is_ahead_or_behind_is_told_the_same(new_run: NewRun) -> None:
    for number, shift in enumerate((-86_400.0, 86_400.0)):
        run = new_run(f"shifted-{number}")
        events = [
            {"type": "start", "total_steps": 10},
            {"type": "phase", "name": "training"},
            *({"type": "step", "step": step, "loss": 1.0} for step in range(1, 11)),
            {"type": "end", "state": "done", "exit_code": 0, "why": ""},
        ]
        at = time.time() + shift
        run.events_path.write_bytes(
            b"".join(serialize({"v": 1, "seq": n, "t": at + n, **event}) for n, event in enumerate(events))
        )
        follower = Follower(run)
        follower.refresh()
        assert (status(run), follower.state.step, follower.state.seconds) == ("done", 10, 12.0)


def test_the_end_of_a_file_without_lines_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    with path.open("wb") as file:
        file.truncate(3 * GIB)  # takes no room on the disk
    assert len(read_tail(path)) <= 128 * 1024 * 1024


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("chunk", [3, 7, 1000])
def test_the_last_lines_of_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes, chunk: int
) -> None:
    monkeypatch.setattr(engine_log, "CHUNK", chunk)
    lines = [f"line {number}" for number in range(12)]
    path = tmp_path / "engine.log"
    path.write_bytes("\n".join(lines).encode() + ending)
    for count in (0, 1, 2, 5, 12, 40):
        with path.open("rb") as file:
            engine_log._seek_last(file, count)
            assert file.read().decode().splitlines() == lines[max(0, 12 - count) :], count


def test_a_log_that_is_one_long_line_is_printed_in_little_memory(new_run: NewRun) -> None:
    """Progress bars end their lines with a carriage return: 60 MB of them, in less than that."""
    run = new_run()
    with run.log_path.open("wb") as file:
        for _ in range(60):
            file.write(b" 42%|####      | 42/100 [00:01<00:01]  \r" * 25_000)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "logs", str(run.path), "-n", "1"],
        env={**os.environ, "PYTHONPATH": str(ENGINE.parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0
    assert int(done.stderr) < 110 * 1024, "KiB"
