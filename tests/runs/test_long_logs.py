"""Long logs: read by several processes, thinned, and read once only. What comes out is the same as ever."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tuiftune.runs.log import scan, thin
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import serialize
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPIKE = (7_007, 77.0)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything that is done to logs of hundreds of megabytes is done to one of two."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(scan, "ALONE_BYTES", 1 << 19)
    monkeypatch.setattr(scan, "PART_BYTES", 1 << 19)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr("tuiftune.runs.log.reader.DIGEST_BYTES", 1 << 19)
    monkeypatch.setattr("tuiftune.runs.log.reader.THIN_BYTES", 1 << 18)
    monkeypatch.setattr("tuiftune.runs.log.reader.WHOLE_BYTES", 1 << 15)


def lines(first: int, last: int) -> list[bytes]:
    chance = random.Random(first)
    found = []
    for seq in range(first, last + 1):
        common: dict[str, Any] = {"v": 1, "seq": seq, "t": 1.7e9 + seq / 2}
        if seq % 5 == 0:
            event = {"type": "gpu", "gpus": [{"index": 0, "name": "H200", "utilisation": 90}], "cpu": 3.0}
        elif seq % 3_000 == 1:
            event = {"type": "eval", "step": seq, "loss": 0.5 + 1 / seq, "when": "during"}
        else:
            loss = SPIKE[1] if seq == SPIKE[0] else 1.0 + chance.random()
            event = {"type": "step", "step": seq, "loss": loss, "lr": 1e-4, "grad_norm": 0.5, "tokens": seq}
        found.append(serialize({**common, **event}))
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(1, 15_000)))
    return path


def folded(path: Path) -> tuple[RunState, EventReader, int]:
    """State, reader and number of events of a log that is opened as a view does it."""
    reader, state = EventReader(path), RunState()
    events = reader.poll(thin=True)
    for event in events:
        state.fold(event)
    return state, reader, len(events)


def essence(state: RunState) -> tuple[object, ...]:
    return (
        state.step,
        state.seconds,
        state.best,
        state.curves["loss"].lowest,
        state.curves["loss"].highest,
        SPIKE in state.curves["loss"].points(),
        len(state.evaluations),
        round(state.smooth_loss or 0, 4),
    )


def whole(path: Path) -> RunState:
    reader, state = EventReader(path), RunState()
    while events := reader.poll():
        for event in events:
            state.fold(event)
    return state


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Calls of a function of `scan` from now on."""
    calls: list[object] = []
    real: Callable[..., Any] = getattr(scan, name)

    def call(*given: Any) -> Any:
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(scan, name, call)
    return calls


def test_processes_read_the_parts_and_it_comes_to_the_same(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = counted(monkeypatch, "kept")
    state, _, number = folded(log)
    expected = whole(log)
    assert essence(state) == essence(expected)
    assert state.smooth_loss == pytest.approx(expected.smooth_loss, rel=1e-3)
    assert number < 6_000
    read_here = [start for _, start, stop, _ in here if start < stop]  # type: ignore[misc]
    assert read_here == [], "every part was read by a process"


def test_what_a_process_does_not_read_is_read_here(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert essence(folded(log)[0]) == essence(whole(log))
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    os.truncate(log, log.stat().st_size - 7)
    assert folded(log)[0].step == 14_999


def test_a_reading_that_is_given_up_ends_its_processes(log: Path) -> None:
    parts = EventReader(log).catch_up()
    next(parts)
    parts.close()
    left = psutil.process_iter(["ppid", "cmdline"])  # other tests' may still be there
    mine = [one.info["cmdline"] or [] for one in left if one.info["ppid"] == os.getpid()]
    assert [words for words in mine if "tuiftune.runs.log.scan" in words] == []


def test_the_share_that_was_read_rises_to_one(log: Path) -> None:
    shares = [share for share, _ in EventReader(log).catch_up()]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_log_is_read_once_and_then_only_what_is_new(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = essence(folded(log)[0])
    scans = counted(monkeypatch, "scan")
    assert essence(folded(log)[0]) == first
    assert scans == []
    with log.open("ab") as file:
        file.writelines(lines(15_001, 15_100))
    state, reader, _ = folded(log)
    assert state.step == 15_099
    assert scans == []
    assert reader.poll(thin=True) == []
    with log.open("ab") as file:
        file.writelines(lines(15_101, 30_000))
    assert essence(folded(log)[0]) == essence(whole(log))
    assert len(scans) == 1
    assert folded(log)[0].step == 29_999
    assert len(scans) == 1, "the digest was extended"


def changed_before_its_end(log: Path) -> None:
    data = bytearray(log.read_bytes())
    at = data.rindex(b'"type":"gpu"', 0, len(data) - (1 << 15) - 100)
    data[at + 8 : at + 11] = b"xyz"
    with log.open("r+b") as file:
        file.write(data)


def truncated(log: Path) -> None:
    os.truncate(log, log.stat().st_size * 2 // 3)


def replaced(log: Path) -> None:
    other = log.with_name("other")
    other.write_bytes(b"".join(lines(2, 15_001)))
    other.rename(log)


def a_damaged_digest(log: Path) -> None:
    digest = next((log.parent / "state").rglob("digests/*"))
    data = bytearray(digest.read_bytes())
    data[len(data) // 2] ^= 1
    digest.write_bytes(bytes(data))


@pytest.mark.parametrize("change", [changed_before_its_end, truncated, replaced, a_damaged_digest])
def test_a_digest_that_does_not_hold_is_not_used(
    log: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folded(log)
    scans = counted(monkeypatch, "scan")
    change(log)
    assert essence(folded(log)[0]) == essence(whole(log))
    assert len(scans) == 1


def test_where_no_digest_can_be_kept_all_works_the_same(log: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    first = folded(log)
    assert essence(folded(log)[0]) == essence(first[0])


def test_damage_is_counted_the_same_from_log_and_digest(log: Path) -> None:
    data = log.read_bytes().split(b"\n")
    data[8_000:8_000] = [
        b"@12",
        b"@x",
        b"{",
        b"\xff\0",
        b'{"v":1,"seq":5,"t":1.0,"type":"step","step":9,"loss":1x,',
    ]
    log.write_bytes(b"\n".join(data))
    read, again = folded(log), folded(log)
    assert read[1].skipped == again[1].skipped == 5
    assert essence(read[0]) == essence(again[0]) == essence(whole(log))


@pytest.mark.parametrize("form", ["spaces", "other order"])
def test_a_log_of_another_writer_is_thinned_too(log: Path, form: str) -> None:
    events = [json.loads(line) for line in log.read_bytes().splitlines()]
    if form == "spaces":
        log.write_text("".join(json.dumps(event) + "\n" for event in events))
    else:
        log.write_text("".join(json.dumps(dict(sorted(event.items()))) + "\n" for event in events))
    state, _, number = folded(log)
    assert number < 6_000
    assert essence(state) == essence(whole(log))


def test_an_equal_loss_elsewhere_does_not_hide_the_lowest() -> None:
    block = [
        {"type": "step", "step": 1, "loss": 2.0, "lr": 0.1},
        {"type": "eval", "step": 1, "loss": 0.25, "when": "during"},
        {"type": "step", "step": 2, "loss": 0.25, "lr": 0.1},
        {"type": "step", "step": 3, "loss": 1.0, "lr": 0.1},
    ]
    data = b"".join(serialize({"v": 1, "seq": seq, "t": 1.0, **event}) for seq, event in enumerate(block))
    kept = [json.loads(line) for line in thin.thinned(data)]
    assert [event["loss"] for event in kept] == [2.0, 0.25, 0.25, 1.0]
    assert [event.get(thin.STANDS_FOR) for event in kept] == [0, None, 0, 3]


def test_a_follower_folds_a_long_log_part_by_part(log: Path) -> None:
    follower = Follower(RunDir(log.parent))
    steps = {follower.state.step for _ in follower.each()}
    assert essence(follower.state) == essence(whole(log))
    assert len(steps) > 300
    log.write_bytes(b"")
    assert follower.refresh() == []
    assert follower.state.step == 0
