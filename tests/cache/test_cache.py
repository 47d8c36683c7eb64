"""Entries of the cache: complete or not there, one maker at a time, and room for new ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tuiftune.cache import clearing, content, place
from tuiftune.cache.entry import Entry, hold
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUIFTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(key: str = "a", size: int = 1000) -> Entry:
    entry = hold("tokens", key)
    (entry.path / "rows").write_bytes(os.urandom(size))
    entry.seal({"rows": 7}, ["rows"])
    return entry


def again(key: str = "a") -> dict[str, object] | None:
    entry = hold("tokens", key)
    try:
        return entry.document()
    finally:
        entry.close()


def test_what_is_sealed_is_found_and_what_is_not_is_not() -> None:
    entry = hold("tokens", "a")
    (entry.path / "rows").write_bytes(b"half")
    assert entry.document() is None
    entry.close()
    made().close()
    assert again() == {"rows": 7}


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "emptied document"])
def test_a_damaged_file_is_noticed_and_all_of_it_removed(root: Path, how: str, quietly: bool) -> None:
    made().close()
    file = root / "tokens" / "a" / ("sealed.json" if how == "emptied document" else "rows")
    before, data = file.stat(), file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "flipped":
        file.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    else:
        file.write_bytes(data[:-1] if how == "cut" else b"")
    if quietly and how != "gone":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert again() is None
    assert list((root / "tokens" / "a").iterdir()) == []


def test_an_unchanged_file_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made().close()
    monkeypatch.setattr("tuiftune.cache.entry.checksum", lambda path: pytest.fail("was read"))
    assert again() == {"rows": 7}
    monkeypatch.setattr("tuiftune.cache.entry._boot", lambda: "another boot")
    with pytest.raises(BaseException, match="was read"):
        again()


def test_the_second_of_two_waits_and_then_shares(root: Path) -> None:
    first = hold("tokens", "a")
    code = (
        "from tuiftune.cache.entry import hold\n"
        "entry = hold('tokens', 'a', lambda: print('waiting', flush=True))\n"
        "print(entry.shared, entry.document(), flush=True)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "waiting\n"
    (first.path / "rows").write_bytes(b"rows")
    first.seal({"rows": 1}, ["rows"])
    first.share()
    said = other.communicate(timeout=30)[0].splitlines()
    assert [line for line in said if line != "waiting"] == ["True {'rows': 1}"]
    first.close()


def test_what_others_use_is_made_anew_beside_it(root: Path) -> None:
    used = made()
    used.share()
    (root / "tokens" / "a" / "rows").write_bytes(b"other")
    fresh = hold("tokens", "a")
    assert not fresh.shared
    assert fresh.path != used.path
    assert used.path.joinpath("rows").exists()
    fresh.close()
    used.close()


def test_the_longest_unused_go_first_and_what_is_used_stays(root: Path) -> None:
    used, *others = made("used", 5000), made("old", 5000), made("new", 5000)
    used.share()
    for entry in others:
        entry.close()
    for number, key in enumerate(("used", "old", "new")):
        when = time.time() - 1000 + number
        for path in (root / "tokens" / key, root / "tokens" / key / "sealed.json"):
            os.utime(path, (when, when))
    gone = clearing.trim(11_500)
    assert [one.key for one in gone] == ["old"]
    assert {one.key for one in clearing.held()} == {"used", "new"}
    assert {one.key for one in clearing.clear()} == {"new"}
    used.close()


def test_a_file_that_changes_has_another_digest_and_another_name_has_not(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a" * 100)
    two.write_bytes(b"a" * 100)
    before = content.of_file(one)
    assert content.of_file(two) == before
    one.write_bytes(b"a" * 99 + b"b")
    assert content.of_file(one) != before


def test_a_bad_limit_or_place_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUIFTUNE_CACHE_LIMIT", "12 parsecs")
    with pytest.raises(UserError, match="not a size"):
        place.limit()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUIFTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        hold("tokens", "a")
