"""A checkpoint is whole or it isn't one: every kind of damage is seen, and rotation never leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.runs.store import checkpoint_store
from tuiftune.runs.store.checkpoint_store import Store
from tuiftune.runs.store.checkpoints import NEEDED, PROGRESS, STAGED, Checkpoint, fault_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("adapter_model.safetensors", "rng_state.pth", *(name for name in NEEDED if name != PROGRESS))


def write(folder: Path) -> None:
    for number, name in enumerate(FILES):
        (folder / name).write_bytes(bytes([number + 1]) * 5000)
    (folder / "training_args.bin").write_bytes(b"a pickle")


def save(store: Store, *steps: int, protect: tuple[int, ...] = ()) -> None:
    for step in steps:
        store.save(step, write, {"step": step}, protect)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def swap_step(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, "step": 1}))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    **{
        f"{name} missing": (lambda folder, name=name: (folder / name).unlink())
        for name in (*FILES, "manifest.json")
    },
    **{f"{name} cut": (lambda folder, name=name: cut(folder / name)) for name in (*FILES, "manifest.json")},
    **{f"{name} flipped": (lambda folder, name=name: flip(folder / name)) for name in FILES},
    **{f"{name} zeroed": (lambda folder, name=name: zero(folder / name)) for name in FILES[:2]},
    **{
        f"{name} empty": (lambda folder, name=name: empty(folder / name))
        for name in (PROGRESS, "manifest.json")
    },
    "manifest of another step": swap_step,
    "directory emptied": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
}


@pytest.mark.parametrize("kind", list(DAMAGE))
def test_damage_falls_back_and_is_named(kind: str, tmp_path: Path) -> None:
    store = Store(tmp_path, keep=2)
    save(store, 5, 10)
    assert store.newest_whole() == (Checkpoint(10, tmp_path / "checkpoint-10"), [])
    DAMAGE[kind](tmp_path / "checkpoint-10")
    found, damaged = store.newest_whole()
    assert found == Checkpoint(5, tmp_path / "checkpoint-5")
    assert [one.path.name for one in damaged] == ["checkpoint-10"]
    assert damaged[0].why


def test_no_bit_of_a_manifest_is_without_a_meaning(tmp_path: Path) -> None:
    """At its beginning and its end, where the keys stand that are no file's."""
    store = Store(tmp_path, keep=1)
    save(store, 5)
    manifest = tmp_path / "checkpoint-5" / "manifest.json"
    whole = manifest.read_bytes()
    for place in (*range(40), *range(len(whole) - 60, len(whole))):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            manifest.write_bytes(flipped)
            assert fault_of(store.all()[0]) is not None, (bytes(flipped[-60:]), bit)
    manifest.write_bytes(whole)
    assert fault_of(store.all()[0]) is None


def test_there_are_at_least_21_kinds_of_damage() -> None:
    assert len(DAMAGE) >= 21


def test_a_whole_checkpoint_holds_no_pickle_of_arguments(tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 3)
    assert not (tmp_path / "checkpoint-3" / "training_args.bin").exists()
    assert fault_of(store.all()[0]) is None


def test_rotation_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    store = Store(tmp_path, keep=2)
    save(store, 1, 2, 3, 4, 10, 11, protect=(2,))
    assert [one.step for one in store.all()] == [11, 10, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-10",
        "checkpoint-11",
        "checkpoint-2",
    ]


def test_a_failed_save_leaves_the_others(tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 1)

    def fail(folder: Path) -> None:
        write(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.save(2, fail, {}, ())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert fault_of(store.all()[0]) is None


def test_leftovers_of_a_killed_save_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 1)
    (tmp_path / STAGED).mkdir()
    write(tmp_path / STAGED)
    (tmp_path / ".discarded-checkpoint-0").mkdir()
    assert [one.step for one in store.all()] == [1]
    store.clean()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_a_damaged_one_further_on_doesnt_count_among_those_kept(tmp_path: Path) -> None:
    """A run that went back to 20, past the damaged 30: keeping 30 for its number would cost the good 20."""
    store = Store(tmp_path, keep=2)
    save(store, 20, 30)
    cut(tmp_path / "checkpoint-30" / "optimizer.pt")
    save(store, 25)
    assert [one.step for one in store.all()] == [25, 20]


def test_every_process_keeps_its_random_numbers(tmp_path: Path) -> None:
    """A checkpoint of two processes without the second's is damaged, by its files or by its own list."""
    store = Store(tmp_path, keep=3, processes=2)

    def write_both(folder: Path) -> None:
        write(folder)
        for rank in range(2):
            (folder / f"rng_state_{rank}.pth").write_bytes(bytes(50))

    store.save(5, write_both, {}, ())
    store.save(10, write_both, {}, ())
    (tmp_path / "checkpoint-10" / "rng_state_1.pth").unlink()
    found, damaged = store.newest_whole()
    assert found is not None
    assert found.step == 5
    assert [one.why for one in damaged] == ["rng_state_1.pth is missing"]
    store.save(10, write, {}, ())
    assert "rng_state_0.pth, rng_state_1.pth" in str(store.newest_whole()[1][0].why)


def a_link(path: Path, elsewhere: Path) -> None:
    save(Store(elsewhere, keep=1), 16)
    path.symlink_to(elsewhere / "checkpoint-16")


STRANGERS: dict[str, Callable[[Path, Path], Any]] = {
    "checkpoint-16": a_link,
    "checkpoint-50": lambda path, _: path.touch(),
    "checkpoint-060": lambda path, _: path.mkdir(),
    "checkpoint-٧": lambda path, _: path.mkdir(),
    "checkpoint-" + "9" * 200: lambda path, _: path.mkdir(),
    "checkpoint-9 (copy)": lambda path, _: path.mkdir(),
    "notes.txt": lambda path, _: path.write_text("mine"),
    "checkpoint-70": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_not_ours_is_passed_over_and_stays(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "checkpoints", keep=1)
    save(store, 8)
    STRANGERS[name](store.directory / name, tmp_path / "elsewhere")
    store.clean()
    found, damaged = store.newest_whole()
    assert found is not None
    assert (found.step, damaged) == (8, [])
    assert [told.startswith(name) for told in store.strangers()] == [True]
    save(store, 16, 50, 70)  # the very names that are taken
    assert [one.step for one in store.all()] == [70]
    assert len([path for path in store.directory.iterdir() if path.name.startswith(name)]) in (1, 2)
    if name == "checkpoint-16":
        assert (tmp_path / "elsewhere" / name / "optimizer.pt").exists(), "what the link led to is untouched"


def nest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"a":' * 100_000)


def rewrite(folder: Path, **values: Any) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(document | values))


def relist(folder: Path, name: str, like: str) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={**files, name: files[like]})


def link_out(folder: Path) -> None:
    moved = folder.with_name("moved")
    (folder / "optimizer.pt").rename(moved)
    (folder / "optimizer.pt").symlink_to(moved)


BENT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nested": (nest, "manifest.json"),
    "many processes": (lambda folder: rewrite(folder, processes=10**9), "1000000000 processes"),
    "no process": (lambda folder: rewrite(folder, processes=True), "True processes"),
    "digits": (
        lambda folder: (folder / "manifest.json").write_text('{"step":' + "9" * 5000),
        "manifest.json",
    ),
    "outside": (lambda folder: relist(folder, "../outside", "optimizer.pt"), "../outside"),
    "a file beside": (lambda folder: (folder / "adapter_model.bin").touch(), "adapter_model.bin"),
    "a link": (link_out, "optimizer.pt is not a regular file"),
    "a pipe": (
        lambda folder: ((folder / "manifest.json").unlink(), os.mkfifo(folder / "manifest.json")),
        "not a regular file",
    ),
}


@pytest.mark.parametrize("kind", BENT)
def test_a_manifest_that_nobody_here_wrote(kind: str, tmp_path: Path) -> None:
    """Such a checkpoint is passed over for an older one, in no time; nothing beyond it is read."""
    bend, said = BENT[kind]
    store = Store(tmp_path / "checkpoints", keep=2)
    save(store, 8, 16)
    bend(store.directory / "checkpoint-16")
    found, damaged = store.newest_whole()
    assert found is not None
    assert found.step == 8
    assert said in damaged[0].why
    save(store, 17, 18)
    assert [one.step for one in store.all()] == [18, 17]


def test_notes_in_a_checkpoint_are_nobodys_business(tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 8)
    (tmp_path / "checkpoint-8" / "notes.txt").write_text("the good one")
    assert store.newest_whole()[1] == []


def test_what_cannot_be_removed_is_told_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 8)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(store, "_discard", refuse)
    save(store, 16)
    assert [one.step for one in store.all()] == [16, 8]
    assert store.stuck == ["checkpoint-8 (Permission denied)"]


@pytest.mark.parametrize("link", [False, True])
def test_what_is_no_directory_is_told_before_training(link: bool, tmp_path: Path) -> None:
    """A file in its place, or a link to a disk that is gone."""
    place = tmp_path / "checkpoints"
    place.symlink_to(tmp_path / "unmounted") if link else place.touch()
    with pytest.raises(UserError, match="checkpoints") as fault:
        Store(place, keep=1).clean()
    assert fault.value.exit_code == 2
    assert os.path.lexists(place)


def test_training_goes_on_while_the_rest_is_written_and_sealed(tmp_path: Path) -> None:
    store, told, go_on = Store(tmp_path, keep=1), [], threading.Event()
    save(store, 1)

    def write_some(folder: Path) -> Callable[[Path], None]:
        write(folder)
        (folder / "optimizer.pt").unlink()

        def rest(there: Path) -> None:
            assert go_on.wait(60)
            (there / "optimizer.pt").write_bytes(b"copied")

        return rest

    store.begin(2, write_some, {"step": 2}, (), told.append)
    store.check()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("checkpoint")] == [
        "checkpoint-1"
    ]
    assert not told
    go_on.set()
    assert [one.step for one in store.all()] == [2], "whoever asks for them waits"
    assert [one.step for one in told] == [2]
    assert fault_of(store.all()[0]) is None


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("no")])
def test_what_goes_wrong_behind_training_is_raised_in_it(fault: Exception, tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)
    save(store, 1)

    def rest(there: Path) -> None:
        raise fault

    def write_some(folder: Path) -> Callable[[Path], None]:
        write(folder)
        return rest

    store.begin(2, write_some, {}, (), lambda _: None)
    until = time.monotonic() + 60
    while not store._pending.done():  # type: ignore[union-attr]
        assert time.monotonic() < until
        time.sleep(0.01)
    with pytest.raises(type(fault), match=re.escape(str(fault))):
        store.check()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    save(store, 3)
    assert [one.step for one in store.all()] == [3]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_directory_that_was_closed_meanwhile_is_told_with_what_to_do(number: int, tmp_path: Path) -> None:
    store = Store(tmp_path, keep=1)

    def rest(there: Path) -> None:
        raise OSError(number, os.strerror(number), str(there / "optimizer.pt"))

    def write_some(folder: Path) -> Callable[[Path], None]:
        write(folder)
        return rest

    store.begin(2, write_some, {}, (), lambda _: None)
    with pytest.raises(UserError) as found:
        store.wait()
    assert found.value.place.endswith(tmp_path.name)
    assert found.value.remedy
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("moment", ["writing", "hashing", "in its place"])
def test_a_run_that_is_moved_meanwhile_has_its_checkpoint_where_it_is_now(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    store = Store(here / "checkpoints", keep=1, moved=lambda: there if there.exists() else None)
    save(store, 1)
    hash_of, rename = checkpoint_store.hash_of, os.rename

    def rest(folder: Path) -> None:
        move_if("writing")
        if not folder.exists():
            raise RuntimeError(f"Parent directory {folder} does not exist.")  # as PyTorch says it
        (folder / "more.json").write_text("{}")

    def move_if(now: str) -> None:
        if now == moment and here.exists():
            rename(here, there)

    def hashed(path: Path) -> str:
        move_if("hashing")
        return hash_of(path)

    def renamed(old: Path, new: Path) -> None:
        rename(old, new)
        if new.name == "checkpoint-2":
            move_if("in its place")

    monkeypatch.setattr(checkpoint_store, "hash_of", hashed)
    monkeypatch.setattr(os, "rename", renamed)

    def write_some(folder: Path) -> Callable[[Path], None]:
        write(folder)
        return rest

    store.begin(2, write_some, {"step": 2}, (), lambda _: None)
    saved = store.wait()
    assert saved is not None
    assert saved.path == there / "checkpoints" / "checkpoint-2"
    assert saved.bytes == sum(path.stat().st_size for path in saved.path.iterdir())
    assert fault_of(saved) is None
    assert [path.name for path in (there / "checkpoints").iterdir()] == ["checkpoint-2"]
