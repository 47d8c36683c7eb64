"""Many rows are read once: the second reading has the same rows, of files that are mapped into memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tuiftune.cache import clearing
from tuiftune.data.mix.split import picked, split
from tuiftune.data.read import kept
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIFTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "MANY_BYTES", 1)
    monkeypatch.setattr("tuiftune.data.read.file_rows.FILE_BYTES", 50_000)


def write(path: Path, count: int = 6000) -> Path:
    rows = (
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n} é"}]}
        if n % 3
        else {"prompt": f"p{n}", "completion": f"c{n}"}
        for n in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_second_reading_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "rows.jsonl")
    monkeypatch.setenv("TUIFTUNE_CACHE_LIMIT", "0")
    plain = load(str(file))
    monkeypatch.delenv("TUIFTUNE_CACHE_LIMIT")
    first = load(str(file))
    monkeypatch.setattr("tuiftune.data.read.load.read_file", lambda *_: pytest.fail("was read again"))
    second = load(str(file))
    for one in (first, second):
        assert one.frame.n_chunks() > 1
        assert one.frame.equals(plain.frame)
        assert one.usable.equals(plain.usable)
        assert (one.recognition, one.files, one.lost, one.notes) == (
            plain.recognition,
            plain.files,
            plain.lost,
            plain.notes,
        )
        assert (one.source_columns, one.format) == (plain.source_columns, plain.format)
        assert list(one.examples()) == list(plain.examples())
    expected = split(plain, 0.1, 7)
    assert split(first, 0.1, 7) == expected
    train, held = picked(second, 0.1, 7)
    assert (list(train), list(held)) == expected
    assert train[5] == expected[0][5]
    assert held[3:9] == expected[1][3:9]
    assert {one.kind for one in clearing.held()} == {"read", "split"}
    fewer = replace(second, frame=second.frame.filter(second.frame["row"] % 2 == 0))
    assert split(fewer, 0.1, 7) == split(replace(plain, frame=fewer.frame), 0.1, 7)


def test_other_content_and_other_settings_are_read_anew(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", 100)
    assert load(str(file)).rows == 100
    assert next(load(str(file), system="be brief").examples()).messages[0].role == "system"  # type: ignore[index]
    write(file, 120)
    assert load(str(file)).rows == 120


def test_what_is_no_row_is_told_every_time_and_nothing_is_left(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", 100)
    with file.open("a") as more:
        more.write("not json\n")
    for _ in range(2):
        with pytest.raises(UserError, match="101"):
            load(str(file))
        found = load(str(file), keep_going=True)
        assert (found.rows, found.malformed.count) == (100, 1)
        assert len(list(found.examples())) == 100
    assert sum(one.bytes for one in clearing.held()) == 0


def test_an_interrupted_reading_is_begun_again(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", 20_000)

    def stop(done: int) -> None:
        if done > 5000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(str(file), progress=stop)
    assert load(str(file)).rows == 20_000


def test_equal_rows_of_many_are_counted_by_hash_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.data.similar import twins

    file = tmp_path / "rows.jsonl"
    rows = ({"prompt": f"P {n % 900}", "completion": f"c{n % 450}"} for n in range(1000))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = tmp_path / "other.jsonl"
    other.write_text(
        "".join(json.dumps({"prompt": f"p  {n}", "completion": f"C{n}"}) + "\n" for n in range(500))
    )
    train, _ = picked(load(str(file)), 0.1, 7)
    held = list(load(str(other)).examples())
    monkeypatch.setattr(twins, "MOST_ROWS", 800)
    expected = twins.twins(iter(train), held)  # no sequence: by the texts themselves
    assert expected.equal > 300
    assert twins.twins(train, held) == expected

    train, within = picked(load(str(file)), 0.1, 7)
    found = twins.twins(train, within)
    monkeypatch.setattr(twins, "_hashes", lambda _: pytest.fail("looked again"))
    assert twins.twins(*picked(load(str(file)), 0.1, 7)) == found


def test_rows_that_are_not_kept_take_half_of_what_the_control_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container of 4 GiB on a large machine, reading went on until it was killed."""
    monkeypatch.setenv("TUIFTUNE_CACHE_LIMIT", "0")
    monkeypatch.setattr("tuiftune.control_group.cgroup_memory", lambda root: (1 << 20, 0))
    with pytest.raises(UserError, match="more than 0 MiB, half of the free RAM") as fault:
        load(str(write(tmp_path / "rows.jsonl", 20_000)))
    assert "TUIFTUNE_CACHE_LIMIT" in str(fault.value.remedy)


def test_a_full_disk_keeps_nobody_from_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once their tokens were written, ten million rows were read again, and did not fit into memory."""
    file = write(tmp_path / "rows.jsonl")
    first = load(str(file))
    assert first.kept
    monkeypatch.setattr("tuiftune.cache.place.free", lambda path: 0)
    assert load(str(file)).kept == first.kept
    assert not load(str(write(tmp_path / "others.jsonl", 5000))).kept
    assert len([one for one in clearing.held() if one.complete]) == 1
