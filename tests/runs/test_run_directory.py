"""A run directory is made whole or not at all, under a name that stays inside its root."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.runs.store import directory
from tuiftune.runs.store.directory import RunDir, create, free_name, runs_in

if TYPE_CHECKING:
    from pathlib import Path

PLAN = {"fits": True}


def test_a_new_run_has_what_a_run_directory_has(root: Path) -> None:
    run = create(root, "first", "version: 1\n", PLAN)
    assert sorted(path.name for path in run.path.iterdir()) == [
        "checkpoints",
        "control",
        "plan.json",
        "preset.yaml",
        "result",
    ]
    assert RunDir.open(run.path).plan().document.items() >= PLAN.items()
    assert run.preset_path.read_text() == "version: 1\n"
    assert run.result() is None


@pytest.mark.parametrize(
    "name",
    ["", "..", ".", "../x", "a/b", "a b", "x" * 65, "a..b", "ä", "x\n", "\x1b[2J", ".staged-x", "/etc"],
)
def test_an_illegal_name_is_refused_before_anything_is_written(root: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not a run name") as refused:
        create(root, name, "", PLAN)
    assert refused.value.exit_code == ExitCode.USAGE
    assert "\x1b" not in str(refused.value)
    assert not root.exists()


def test_a_taken_name_is_refused_with_a_free_one(root: Path) -> None:
    first = create(root, "mine", "one", PLAN)
    with pytest.raises(UserError, match=r"taken.* mine-2"):
        create(root, "mine", "two", PLAN)
    assert first.preset_path.read_text() == "one"
    assert [path.name for path in root.iterdir()] == ["mine"]


def test_the_free_name_stays_within_its_length(root: Path) -> None:
    long = "x" * 64
    create(root, long, "", PLAN)
    assert free_name(root, long) == "x" * 62 + "-2"


def test_of_two_that_want_one_name_exactly_one_gets_it(root: Path) -> None:
    def attempt(number: int) -> bool:
        try:
            create(root, "one", str(number), PLAN)
        except UserError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(attempt, range(16)))
    assert got.count(True) == 1
    assert [path.name for path in root.iterdir()] == ["one"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_root_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot create a run here"):
        create(tmp_path, "x", "", PLAN)


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="cannot create a run here"):
        create(tmp_path / "runs", "x", "", PLAN)


def test_a_full_disk_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(directory, "write_text", full)
    with pytest.raises(UserError, match="No space left") as refused:
        create(root, "x", "", PLAN)
    assert refused.value.exit_code == ExitCode.DISK_FULL
    assert list(root.iterdir()) == []


def test_nothing_is_world_writable_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        run = create(root, "open", "", PLAN)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (run.path, *run.path.rglob("*"))]
    assert not any(mode & 0o022 for mode in modes)


def test_what_is_staged_or_foreign_is_not_listed(root: Path) -> None:
    create(root, "b", "", PLAN)
    create(root, "a", "", PLAN)
    (root / "stranger").mkdir()
    (root / ".staged-12").mkdir()
    (root / ".staged-12" / "plan.json").write_text("{}")
    assert [run.name for run in runs_in(root)] == ["a", "b"]
    assert runs_in(root / "nowhere") == []


def test_opening_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        RunDir.open(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_damaged_plan_is_the_users_to_know(root: Path, text: str) -> None:
    run = create(root, "x", "", PLAN)
    (run.path / "plan.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"plan\.json"):
        run.plan()
