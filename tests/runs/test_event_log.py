"""The log: one writer that never raises, readers that survive whatever the file holds."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter, serialize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_events_come_back_as_written(path: Path) -> None:
    writer = EventWriter(path)
    writer.emit("phase", name="loading", detail="")
    writer.emit("step", step=1, loss=2.5)
    events = EventReader(path).poll()
    assert [(event["v"], event["seq"], event["type"]) for event in events] == [
        (1, 1, "phase"),
        (1, 2, "step"),
    ]
    assert events[1]["loss"] == 2.5
    assert events[1]["t"] > 1_600_000_000


def test_every_line_is_strict_json_and_keeps_what_was_not_a_number(path: Path) -> None:
    EventWriter(path).emit(
        "step", step=3, loss=float("nan"), grad_norm=float("-inf"), nested={"x": float("inf")}
    )
    line = json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert (line["loss"], line["loss_text"]) == (None, "nan")
    assert (line["grad_norm"], line["grad_norm_text"]) == (None, "-inf")
    assert line["nested"] == {"x": None, "x_text": "inf"}


def test_a_value_json_has_no_form_for_is_kept_as_text(path: Path) -> None:
    assert EventWriter(path).emit("end", why=ValueError("boom"), path=path)
    assert EventReader(path).poll()[0]["why"] == "boom"


def test_reopening_goes_on_with_seq_and_closes_a_torn_last_line(path: Path) -> None:
    writer = EventWriter(path)
    for step in range(5):
        writer.emit("step", step=step)
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":6,"t":1.0,"type":"st')
    EventWriter(path).emit("start", run="again")
    reader = EventReader(path)
    assert [event["seq"] for event in reader.poll()] == [1, 2, 3, 4, 5, 6]
    assert reader.skipped == 1


def test_a_failed_write_is_counted_and_the_next_good_one_is_whole() -> None:
    from pathlib import Path

    full = EventWriter(Path("/dev/full"))
    assert not full.emit("step", step=1)
    assert not full.emit("step", step=2)
    assert full.failed == 2
    assert full.last_failure == "No space left on device"


def test_a_directory_that_is_missing_does_not_raise(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "gone" / "events.jsonl")
    assert not writer.emit("step", step=1)
    (tmp_path / "gone").mkdir()
    assert writer.emit("step", step=2)
    assert EventReader(writer.path).poll()[0]["seq"] == 2


def test_a_short_write_leaves_one_damaged_line_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(path)
    writer.emit("step", step=1)
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:20]))
    assert not writer.emit("step", step=2)
    monkeypatch.undo()
    assert writer.emit("step", step=3)
    reader = EventReader(path)
    assert [event["step"] for event in reader.poll()] == [1, 3]
    assert reader.skipped == 1


def test_the_log_is_not_world_writable_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        EventWriter(path).emit("heartbeat")
    finally:
        os.umask(before)
    assert not stat.S_IMODE(path.stat().st_mode) & 0o022


def test_an_unfinished_last_line_is_not_there_yet(path: Path) -> None:
    line = serialize({"v": 1, "seq": 1, "t": 1.0, "type": "heartbeat"})
    reader = EventReader(path)
    path.write_bytes(line[:10])
    assert reader.poll() == []
    with path.open("ab") as file:
        file.write(line[10:-1])
    assert reader.poll() == []
    with path.open("ab") as file:
        file.write(b"\n")
    assert [event["seq"] for event in reader.poll()] == [1]
    assert reader.poll() == []
    assert reader.skipped == 0


@pytest.mark.parametrize(
    "damage",
    [b"not json", b"\0" * 40, b"[1, 2]", b'{"no": "type"}', b'{"type": 3}', b"\xff\xfe\x80", b"[" * 100_000],
    ids=["text", "zeroes", "list", "typeless", "odd type", "not utf-8", "deep"],
)
def test_a_damaged_line_is_skipped_and_counted(path: Path, damage: bytes) -> None:
    good = [serialize({"v": 1, "seq": seq, "t": 1.0, "type": "heartbeat"}) for seq in (1, 3)]
    path.write_bytes(good[0] + damage + b"\n" + good[1])
    reader = EventReader(path)
    assert [event["seq"] for event in reader.poll()] == [1, 3]
    assert reader.skipped == 1


def test_a_line_longer_than_a_chunk_is_skipped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuiftune.runs.log.lines.CHUNK_BYTES", 256)
    good = serialize({"v": 1, "seq": 1, "t": 1.0, "type": "heartbeat"})
    path.write_bytes(good + b"x" * 2000 + b"\n" + good)
    reader = EventReader(path)
    assert [event["seq"] for event in [*reader.poll(), *reader.poll()]] == [1, 1]
    assert reader.skipped == 1


def test_a_truncated_log_is_read_anew(path: Path) -> None:
    writer = EventWriter(path)
    for step in range(50):
        writer.emit("step", step=step)
    reader = EventReader(path)
    assert len(reader.poll()) == 50
    path.write_bytes(b"")
    assert reader.poll() == []
    assert reader.generation == 1
    writer.emit("step", step=99)
    assert [event["step"] for event in reader.poll()] == [99]


def test_a_replaced_log_is_read_anew_even_if_longer(path: Path, tmp_path: Path) -> None:
    EventWriter(path).emit("step", step=1)
    reader = EventReader(path)
    reader.poll()
    other = EventWriter(tmp_path / "other.jsonl")
    for step in range(10, 20):
        other.emit("step", step=step)
    other.path.rename(path)
    assert [event["step"] for event in reader.poll()] == list(range(10, 20))
    assert reader.generation == 1


def test_a_log_that_is_not_there_yet_is_empty(path: Path) -> None:
    reader = EventReader(path)
    assert reader.poll() == []
    EventWriter(path).emit("start", run="x")
    assert len(reader.poll()) == 1
    assert reader.generation == 0


def test_two_readers_see_the_same_while_it_is_written(path: Path) -> None:
    writer, first, second = EventWriter(path), EventReader(path), EventReader(path)
    seen: list[list[int]] = [[], []]
    for step in range(300):
        writer.emit("step", step=step)
        seen[0] += [event["step"] for event in first.poll()]
        if step % 7 == 0:
            seen[1] += [event["step"] for event in second.poll()]
    seen[1] += [event["step"] for event in second.poll()]
    assert seen[0] == seen[1] == list(range(300))
