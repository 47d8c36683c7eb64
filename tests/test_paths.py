"""A look at a path answers, whatever the path is; what must be there says why it can't be had."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import documents, paths
from tuiftune.cli.runs import runs as list_runs
from tuiftune.data.read.files import expand
from tuiftune.errors import ExitCode, UserError
from tuiftune.models.resolve import resolve
from tuiftune.preset import shipped
from tuiftune.runs.store import registry
from tuiftune.runs.store.directory import RunDir, check_root, runs_in
from tuiftune.runs.store.find import all_runs, find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = (
    errno.EACCES,
    errno.ESTALE,
    errno.EIO,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTCONN,
    errno.EPERM,
)
STRANGE = (
    "a" * 300,
    "b/" * 3000,
    "zero\0byte",
    "lone\ud800",
    "~nobody-of-this-name/x",
    "loop",
    "file/below",
    "pipe",
)
PREDICATES: tuple[Callable[[Any], Any], ...] = (
    paths.exists,
    paths.is_dir,
    paths.is_file,
    paths.gone,
    paths.look,
    paths.size,
    paths.modified,
    paths.names_one,
    paths.from_here,
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def broken(monkeypatch: pytest.MonkeyPatch, path: Path, number: int) -> None:
    """From here on the system refuses every look at `path` and below, as a shut or dead directory does."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(name: Any, *rest: Any, **named: Any) -> Any:
            if isinstance(name, str | os.PathLike) and str(name).startswith(str(path)):
                raise OSError(number, os.strerror(number), str(name))
            return real(name, *rest, **named)

        return look

    for name in ("stat", "lstat", "open", "scandir", "listdir", "mkdir", "access"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))


@pytest.mark.parametrize("text", STRANGE)
def test_a_look_at_any_path_answers(place: Path, text: str) -> None:
    for predicate in PREDICATES:
        predicate(text)


@pytest.mark.parametrize("text", STRANGE)
def test_whatever_is_named_is_found_or_refused_in_a_line(place: Path, text: str) -> None:
    asks: tuple[Callable[[str], Any], ...] = (
        shipped.find,
        expand,
        resolve,
        find,
        lambda given: RunDir.open(paths.given(given)),
        lambda given: documents.read_json(paths.given(given)),
    )
    for ask in asks:
        if text == "pipe" and ask in (shipped.find, expand):
            continue  # presets and rows may come through one
        with pytest.raises(UserError) as caught:
            ask(text)
        assert caught.value.exit_code == ExitCode.USAGE
        assert len(str(caught.value)) < 700
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_cannot_be_looked_at_says_why(place: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    shut = place / "shut"
    shut.mkdir()
    (shut / "plan.json").write_text("{}")
    broken(monkeypatch, shut, number)
    for ask in (shipped.find, expand, resolve, find):
        with pytest.raises(UserError) as caught:
            ask(str(shut / "plan.json"))  # type: ignore[operator]
        assert "no such" not in str(caught.value)
    assert not paths.gone(shut / "plan.json")
    assert runs_in(shut) == []
    with pytest.raises(UserError):
        check_root(shut / "runs")


@pytest.mark.parametrize("number", NUMBERS)
def test_one_unreachable_run_hides_no_other(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    registry.register(RunDir(place / "removed with all around it" / "run"))
    for name in ("one", "shut", "two"):
        (place / "elsewhere" / name / "run").mkdir(parents=True)
        (place / "elsewhere" / name / "run" / "plan.json").write_text("{}")
        registry.register(RunDir(place / "elsewhere" / name / "run"))
    with monkeypatch.context() as broke:
        broken(broke, place / "elsewhere" / "shut", number)
        assert {run.path.parent.name for run in all_runs()} == {"one", "two"}
        assert [path.parent.name for path in registry.unreachable()] == ["shut"]
    assert {run.path.parent.name for run in all_runs()} == {"one", "shut", "two"}, "it was forgotten"


@pytest.mark.parametrize("number", NUMBERS)
def test_runs_says_no_runs_yet_only_where_none_is_known(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    list_runs()
    assert "No runs yet" in capsys.readouterr().err
    run = RunDir(place / "elsewhere" / "shut" / "run")
    run.path.mkdir(parents=True)
    run.plan_path.write_text("{}")
    registry.register(run)
    broken(monkeypatch, place / "elsewhere" / "shut", number)
    list_runs()
    told = capsys.readouterr().err
    assert "not listed, because it cannot be read" in told
    assert "No runs yet" not in told


def test_a_run_that_was_removed_is_said_to_be(place: Path) -> None:
    run = place / "elsewhere" / "mine"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    registry.register(RunDir(run))
    run.rename(place / "moved")
    with pytest.raises(UserError, match="deleted or moved"):
        find("mine")


def test_a_deleted_working_directory_is_said_and_hides_no_registered_run(place: Path) -> None:
    (place / "kept" / "run").mkdir(parents=True)
    (place / "kept" / "run" / "plan.json").write_text("{}")
    registry.register(RunDir(place / "kept" / "run"))
    (place / "gone").mkdir()
    os.chdir(place / "gone")
    (place / "gone").rmdir()
    assert [run.name for run in all_runs()] == ["run"]
    assert find("run").path == place / "kept" / "run"
    assert paths.from_here(place / "file") == str(place / "file")
    for ask in (paths.here, lambda: paths.absolute("x"), lambda: all_runs(paths.given("runs"))):
        with pytest.raises(UserError, match="working directory"):
            ask()


def test_a_register_of_anything_is_read(place: Path) -> None:
    register = registry.registry_path()
    register.parent.mkdir(parents=True)
    lines = [
        '"/a\\u0000b"',
        '"\\ud800"',
        "5",
        "[" * 100_000,
        "9" * 5000,
        '"relative"',
        '"~nobody-here/x"',
        '"' + "/" * 9000 + '"',
    ]
    register.write_text("\n".join(lines) + "\n")
    assert all_runs() == []
    register.unlink()
    os.mkfifo(register)
    assert all_runs() == []


def test_a_directory_that_is_a_whole_disk_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST_BELOW", 20)
    for number in range(30):
        (place / f"{number}.jsonl").write_text("{}")
    with pytest.raises(UserError, match="more than 20 files"):
        expand(str(place))
    with pytest.raises(UserError, match="more than 20 files"):
        expand(str(place / "*.jsonl"))
